//! A project directory of a user of the gateway, in the system's temporary directory, removed when dropped.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::token_file::TokenFile;

/// The directory of the token files.
pub(crate) const TOKENS: &str = ".oauth-tokens";
/// The directory of the MCP servers' descriptions.
pub(crate) const SERVERS: &str = "registry/servers";

/// A temporary project. `root()` is the project. The tests' own files (outputs, copies of the program) are beside it in
/// `outside()`, where the program never looks.
pub(crate) struct Project {
    outside: PathBuf,
    root: PathBuf,
}

impl Project {
    /// A project with an empty tokens directory (0700) and an empty servers directory.
    pub(crate) fn new() -> Self {
        let project = Self::bare();
        DirBuilder::new().mode(0o700).create(project.path(TOKENS)).unwrap();
        fs::create_dir_all(project.path(SERVERS)).unwrap();
        project
    }

    /// An empty project.
    pub(crate) fn bare() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("token-refresher-{}-{count}-{time:08x}", process::id());
        // Canonical: on some systems the temporary directory is reached through a link.
        let outside = fs::canonicalize(std::env::temp_dir()).unwrap().join(name);
        let root = outside.join("project");
        // 0755 outside, so that a test can run the program as another user.
        DirBuilder::new().mode(0o755).create(&outside).unwrap();
        DirBuilder::new().mode(0o755).create(&root).unwrap();
        Self { outside, root }
    }

    /// The project's root: the program's `--dir`.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A directory beside the project, for files that the program must not see.
    pub(crate) fn outside(&self) -> &Path {
        &self.outside
    }

    /// A path below the root.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// A path in the tokens directory.
    pub(crate) fn token(&self, name: &str) -> PathBuf {
        self.path(TOKENS).join(name)
    }

    /// Writes a token file, 0600.
    pub(crate) fn write_token(&self, file: &TokenFile) -> PathBuf {
        self.write_tokens_file(file.name(), file.text())
    }

    /// Writes anything into the tokens directory, 0600.
    pub(crate) fn write_tokens_file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.token(name);
        write(&path, bytes.as_ref(), 0o600);
        path
    }

    /// Writes any file below the root, 0644, and makes its directory.
    pub(crate) fn write(&self, relative: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        write(&path, bytes.as_ref(), 0o644);
        path
    }

    /// A client-credential file beside the tokens.
    pub(crate) fn write_client_credentials(
        &self,
        name: &str,
        client_id: &str,
        client_secret: &str,
    ) -> PathBuf {
        let document = json!({"client_id": client_id, "client_secret": client_secret});
        self.write_tokens_file(name, format!("{document:#}\n"))
    }

    /// Describes an MCP server in `registry/servers/NAME.json`.
    pub(crate) fn server(&self, name: &str, document: &Value) -> PathBuf {
        self.write(&format!("{SERVERS}/{name}.json"), format!("{document:#}\n"))
    }

    /// Describes a server without authentication, at the path `/NAME/`.
    pub(crate) fn no_auth_server(&self, name: &str) -> PathBuf {
        self.server(
            name,
            &json!({
                "server_name": name,
                "auth_type": "none",
                "path": format!("/{name}/"),
                "supported_transports": ["streamable-http"],
            }),
        )
    }

    /// The present contents of a token file.
    pub(crate) fn read_token(&self, name: &str) -> Value {
        read_json(&self.token(name))
    }

    /// The present contents of a generated configuration (`mcp.json`, `vscode_mcp.json`).
    pub(crate) fn config(&self, name: &str) -> Value {
        read_json(&self.token(name))
    }

    /// A file's text.
    pub(crate) fn text(&self, relative: &str) -> String {
        let path = self.path(relative);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// A file's permission bits.
    pub(crate) fn mode(&self, relative: &str) -> u32 {
        fs::metadata(self.path(relative)).unwrap().mode() & 0o7777
    }

    /// Changes a file's permission bits.
    pub(crate) fn set_mode(&self, relative: &str, mode: u32) {
        fs::set_permissions(self.path(relative), Permissions::from_mode(mode)).unwrap();
    }

    /// A stamp that shows whether a file was written or replaced since.
    pub(crate) fn stamp(&self, relative: &str) -> Stamp {
        Stamp::of(&self.path(relative))
    }

    /// The stamps of all files in the tokens directory but the program's own small files.
    pub(crate) fn stamps(&self) -> Vec<(String, Stamp)> {
        let names = self.names().into_iter().filter(|name| name != ".token-refresher");
        names.map(|name| (name.clone(), Stamp::of(&self.token(&name)))).collect()
    }

    /// The names in the tokens directory, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path(TOKENS)).unwrap();
        let mut names =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>();
        names.sort();
        names
    }

    /// Files that a finished program must not leave in the tokens directory: reserves and temporary files.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let mut names = self.names();
        names.retain(|name| {
            name != ".token-refresher"
                && (name.starts_with('.') || Path::new(name).extension() != Some("json".as_ref()))
        });
        names
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.outside) {
            // A panic here while a test panics would end the whole run.
            eprintln!("{} is left behind: {error}", self.outside.display());
        }
    }
}

/// Inode, length and modification time: different after any write and any rename over the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl Stamp {
    /// The stamp of a file, links followed.
    pub(crate) fn of(path: &Path) -> Self {
        let metadata = fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self {
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

fn read_json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}: {text}", path.display()))
}

fn write(path: &Path, bytes: &[u8], mode: u32) {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path).unwrap();
    file.write_all(bytes).unwrap();
    // The umask may have taken bits away, and an older file keeps its own.
    file.set_permissions(Permissions::from_mode(mode)).unwrap();
}
