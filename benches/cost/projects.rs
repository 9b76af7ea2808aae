//! The directories that are measured.

use std::time::Duration;

use crate::support::{Client, Endpoint, Project, TokenFile};

/// What kind of token files a directory holds.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// Each is a service with an entry in the configurations.
    Services,
    /// They are refreshed, and nothing else.
    Others,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Services => "services",
            Self::Others => "others",
        }
    }
}

/// So many tokens that are fresh for a day.
pub(crate) fn fresh(files: usize, kind: Kind) -> Project {
    let project = Project::new();
    for index in 0..files {
        let token = match kind {
            Kind::Services => TokenFile::egress("atlassian", &format!("server-{index:06}")),
            Kind::Others => {
                TokenFile::named(&format!("token-{index:06}.json")).field("provider", "atlassian")
            }
        };
        let token =
            token.field("access_token", "a".repeat(900)).field("refresh_token", format!("refresh-{index}"));
        project.write_token(&token.fresh_for(90_000));
    }
    project
}

/// So many tokens that are due, in turns of these endpoints; all of one client.
pub(crate) fn due(endpoints: &[&Endpoint], files: usize) -> Project {
    let client = Client::new("bench").lifetime(Duration::from_hours(24));
    for endpoint in endpoints {
        endpoint.register(client.clone());
    }
    let project = Project::new();
    for (index, endpoint) in (0..files).zip(endpoints.iter().cycle()) {
        let tokens = endpoint.sign_in("bench");
        let token = TokenFile::named(&format!("due-{index:05}.json")).tokens(&tokens).at(endpoint, &client);
        project.write_token(&token.expires_in(60));
    }
    project
}
