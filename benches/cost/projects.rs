//! The directories that are measured.

use std::time::Duration;

use crate::support::{Client, Endpoint, Project, TokenFile};

/// The kind of a directory's token files.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// Each file is a service with an entry in the configurations.
    Services,
    /// The files are refreshed, but in no configuration.
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
        let token = token.field("client_id", "bench").field("client_secret", "secret");
        project.write_token(&token.fresh_for(90_000));
    }
    project
}

/// So many tokens that are due, in turns of these endpoints; all of one client.
pub(crate) fn due(endpoints: &[&Endpoint], files: usize) -> Project {
    // Of a name of its own at each endpoint: else their tokens have the same text and count as copies of one another.
    let client = |number: usize| Client::new(&format!("bench-{number}")).lifetime(Duration::from_hours(24));
    for (number, endpoint) in endpoints.iter().enumerate() {
        endpoint.register(client(number));
    }
    let project = Project::new();
    for (index, (number, endpoint)) in (0..files).zip(endpoints.iter().enumerate().cycle()) {
        let client = client(number);
        let tokens = endpoint.sign_in(client.id());
        let token = TokenFile::named(&format!("due-{index:05}.json")).tokens(&tokens).at(endpoint, &client);
        project.write_token(&token.expires_in(60));
    }
    project
}
