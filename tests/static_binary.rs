//! The static build, alone in an empty root directory: no libc, no shell, no certificates, no /etc, no
//! /proc. If this fails, a scratch container does not work.
//!
//! Needs root for chroot, and the program: `STATIC_BINARY=PATH cargo test --test static_binary -- --ignored`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a broken expectation is how a test fails")]

mod support;

use std::fs;
use std::path::PathBuf;

use support::{Client, Endpoint, Program, Project, TokenFile};

#[test]
#[ignore = "needs the static build in STATIC_BINARY, and root"]
fn a_token_is_refreshed_where_there_is_nothing_but_the_program() {
    let binary = PathBuf::from(std::env::var_os("STATIC_BINARY").expect("STATIC_BINARY names the program"));
    let endpoint = Endpoint::start();
    let client = Client::new("app");
    endpoint.register(client.clone());
    let project = Project::new();
    project.write_token(&TokenFile::signed_in("github", "repos", &endpoint, &client).expires_in(60));
    project.no_auth_server("currenttime");
    fs::copy(&binary, project.path("token-refresher")).unwrap();

    // The project's root is the new root directory; 65532 is a user that nobody has told it of.
    let owner = Some(65_532);
    for path in [".", ".oauth-tokens", ".oauth-tokens/github-repos-egress.json"] {
        std::os::unix::fs::chown(project.path(path), owner, owner).unwrap();
    }
    let root = project.root().to_str().unwrap().to_owned();
    let finished = Program::at("/token-refresher".as_ref(), &project)
        .below(&["chroot", "--userspec=65532:65532", &root])
        .args("--dir / --log-file - --once")
        .run()
        .expect_code(0);

    let token = project.read_token("github-repos-egress.json")["access_token"].as_str().unwrap().to_owned();
    assert!(endpoint.is_live(&token), "{finished:#?}");
    let servers = project.config("mcp.json")["mcpServers"].clone();
    assert_eq!(servers["repos"]["env"]["MCP_SERVER_AUTH_TOKEN"], format!("Bearer {token}"));
    assert_eq!(servers["currenttime"]["args"][1], "/");
    assert_eq!(project.leftovers(), Vec::<String>::new());
}
