//! The places of this program and the project as assistants see them: the same ones, or others where this is a
//! container.

use std::path::Path;

use crate::settings::Settings;

pub(super) struct Reader {
    pub exe: String,
    pub dir: String,
    pub tokens_dir: String,
}

impl Reader {
    /// Finds the paths; `exe` is the path of this program here.
    ///
    /// # Errors
    /// A path that cannot be written into a file.
    pub(super) fn of(settings: &Settings, exe: &Result<String, String>) -> Result<Self, String> {
        let exe = settings.client_program.clone().map_or_else(|| exe.clone(), Ok)?;
        let here = utf8(&settings.dir)?;
        let tokens = utf8(&settings.tokens_dir)?;
        let Some(dir) = settings.client_dir.clone() else {
            return Ok(Self { exe, dir: here, tokens_dir: tokens });
        };
        // A directory within the project moves with the project.
        let tokens_dir = match settings.tokens_dir.strip_prefix(&settings.dir) {
            Ok(inside) => utf8(&Path::new(&dir).join(inside))?,
            Err(_) => tokens,
        };
        Ok(Self { exe, dir, tokens_dir })
    }
}

/// Whether the settings name the places for assistants.
pub(super) fn is_told(settings: &Settings) -> bool {
    settings.client_program.is_some() || settings.client_dir.is_some()
}

/// Whether assistants probably run outside of the root that this program sees. An image with this program alone has no
/// shell, which every assistant needs to run a command. With a shell, a container counts where its first process is
/// this program or its parent. A container in which people work has another first process.
pub(super) fn looks_like_container() -> bool {
    let marked = Path::new("/.dockerenv").exists()
        || Path::new("/run/.containerenv").exists()
        || ["container", "KUBERNETES_SERVICE_HOST"].iter().any(|name| std::env::var_os(name).is_some());
    let is_service = std::process::id() == 1 || std::os::unix::process::parent_id() <= 1;
    !Path::new("/bin/sh").exists() || marked && is_service
}

fn utf8(path: &Path) -> Result<String, String> {
    path.to_str().map(str::to_owned).ok_or_else(|| format!("the path {} is not UTF-8", path.display()))
}
