//! `[http]`: where the pages are and who may open them.

use super::keys::{HTTP, HTTP_TLS, TOKEN, USER};
use super::layer::Raw;
use super::listener::network;
use super::problem::{Problem, Wrong};
use super::section::{Section, one_of};
use super::settings::path;
use crate::core::time::Timestamp;
use crate::tls::ServerFiles;
use crate::users::{Hash, Role, Terms, Token, TokenHash, User};
use ipnet::IpNet;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// `[http]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Address and port of pages, API and metrics; port 0 takes a free one.
    pub bind: SocketAddr,
    /// Where people reach the pages, without a slash at the end: links in pages begin with it.
    pub public_url: Option<String>,
    /// TLS of the pages.
    pub tls: Option<ServerFiles>,
    /// Who may sign in; without users and tokens only loopback may serve.
    pub users: Vec<User>,
    /// Programs that may ask the API.
    pub tokens: Vec<Token>,
    /// How long a sign-in lasts.
    pub session: Duration,
    /// How long it lasts without a request.
    pub session_idle: Duration,
    /// Header in which a proxy says who the user is; none is believed without it.
    pub trusted_header: Option<String>,
    /// Proxies that are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Suggested next steps that the pages show (CLINICAL 7.6), by their words.
    pub next_steps: Vec<String>,
}

/// All next steps there are.
const NEXT_STEPS: [&str; 6] = [
    "repeat",
    "subclasses",
    "secondary",
    "lymphocytes",
    "children",
    "replacement",
];

impl Default for Http {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 8025)),
            public_url: None,
            tls: None,
            users: Vec::new(),
            tokens: Vec::new(),
            session: Duration::from_hours(12),
            session_idle: Duration::from_hours(1),
            trusted_header: None,
            trusted_proxies: Vec::new(),
            next_steps: NEXT_STEPS.map(str::to_owned).into(),
        }
    }
}

impl Http {
    /// Somebody has to say who he is.
    pub fn has_users(&self) -> bool {
        !self.users.is_empty() || !self.tokens.is_empty()
    }

    /// How long sessions last.
    pub const fn terms(&self) -> Terms {
        Terms {
            longest: self.session,
            idle: self.session_idle,
        }
    }
}

const ROLES: &[(&str, Role)] = &[
    ("viewer", Role::Viewer),
    ("clinician", Role::Clinician),
    ("operator", Role::Operator),
];
const USER_EXAMPLE: &str =
    "users = [{ name = \"ward\", password_hash = \"$argon2id$…\", roles = [\"clinician\"] }]";
const TOKEN_EXAMPLE: &str =
    "tokens = [{ name = \"dashboard\", hash = \"…\", roles = [\"viewer\"] }]";

pub(super) fn http(raw: &Raw, problems: &mut Vec<Problem>) -> Http {
    let default = Http::default();
    let section = &mut Section::open(&HTTP, raw.section(HTTP.name), problems);
    let bind: Option<SocketAddr> = section.parsed(
        "bind",
        "an address and port such as `127.0.0.1:8025`",
        "write an IP address, not a name",
        |text| text.parse().ok(),
    );
    let http = Http {
        bind: bind.unwrap_or(default.bind),
        public_url: section.parsed(
            "public_url",
            "a URL such as `https://pentamer.example.org`",
            "it begins with `http://` or `https://`",
            |text| {
                let (scheme, rest) = text.split_once("://")?;
                let plain = !rest.is_empty() && !rest.contains([' ', '?', '#', '"', '<', '>']);
                let right = matches!(scheme, "http" | "https") && plain;
                right.then(|| text.trim_end_matches('/').to_owned())
            },
        ),
        tls: section.table(
            "tls",
            &HTTP_TLS,
            "tls = { cert_file = \"…\", key_file = \"…\" }",
            tls,
        ),
        users: section
            .tables("users", &USER, USER_EXAMPLE, user)
            .unwrap_or_default(),
        tokens: section
            .tables("tokens", &TOKEN, TOKEN_EXAMPLE, token)
            .unwrap_or_default(),
        session: section
            .duration(
                "session",
                Duration::from_mins(1)..=Duration::from_hours(24 * 30),
            )
            .unwrap_or(default.session),
        session_idle: section
            .duration(
                "session_idle",
                Duration::from_mins(1)..=Duration::from_hours(24 * 30),
            )
            .unwrap_or(default.session_idle),
        trusted_header: section.parsed(
            "trusted_header",
            "the name of a header such as `X-Remote-User`",
            "name the header in which the proxy says who the user is",
            header,
        ),
        trusted_proxies: section
            .list(
                "trusted_proxies",
                "an address or network such as `10.0.0.5`",
                "name the proxies that may say who the user is",
                network,
            )
            .unwrap_or_default(),
        next_steps: section
            .list(
                "next_steps",
                &one_of(NEXT_STEPS),
                "leave the key out for all of them",
                |text| NEXT_STEPS.contains(&text).then(|| text.to_owned()),
            )
            .unwrap_or(default.next_steps),
    };
    together(section, &http);
    http
}

/// What only makes sense together.
fn together(section: &mut Section<'_>, http: &Http) {
    let mut names = BTreeSet::new();
    let users = http.users.iter().map(|user| ("users", &user.name));
    let tokens = http.tokens.iter().map(|token| ("tokens", &token.name));
    for (key, name) in users.chain(tokens) {
        if !names.insert(name.clone()) {
            let wrong = Wrong::Conflict(format!("two users or tokens are named `{name}`"));
            section.report(key, wrong, "give each its own name: it stands in the audit");
        }
    }
    if http.trusted_header.is_some() == http.trusted_proxies.is_empty() {
        let key = if http.trusted_header.is_some() {
            "trusted_header"
        } else {
            "trusted_proxies"
        };
        let wrong =
            Wrong::Conflict("`trusted_header` and `trusted_proxies` only hold together".to_owned());
        section.report(
            key,
            wrong,
            "name the header and the proxies that are believed, or neither",
        );
    }
    let bind = http.bind;
    if bind.ip().to_canonical().is_loopback() {
        return;
    }
    if !http.has_users() {
        let wrong = Wrong::Conflict(format!(
            "the pages show patients, and without users only loopback may serve them, not `{bind}`"
        ));
        section.report(
            "bind",
            wrong,
            "bind 127.0.0.1 or [::1], or name `users` (`pentamer hash-password` makes their hashes)",
        );
    } else if http.tls.is_none() && http.trusted_proxies.is_empty() {
        let wrong = Wrong::Conflict(format!(
            "without `tls` passwords and patients would cross the network of `{bind}` in the clear"
        ));
        section.report(
            "bind",
            wrong,
            "give `tls` a certificate, or bind loopback behind a proxy that speaks TLS",
        );
    }
}

fn tls(section: &mut Section<'_>) -> Option<ServerFiles> {
    section.require("cert_file", "name the certificate chain in PEM");
    section.require("key_file", "name the private key in PEM");
    let mut file = |key| section.parsed(key, "a file", "name a file in PEM", path);
    Some(ServerFiles {
        cert_file: file("cert_file")?,
        key_file: file("key_file")?,
        client_ca_file: None,
        client_names: Vec::new(),
    })
}

fn user(section: &mut Section<'_>) -> Option<User> {
    section.require("name", "give the user a name");
    let name = section.parsed(
        "name",
        "a name of 1 to 64 characters",
        "as it is typed at sign-in",
        name,
    );
    let password_hash = section.parsed(
        "password_hash",
        "an argon2id hash",
        "`pentamer hash-password` makes one",
        Hash::parse,
    );
    let roles = roles(section);
    Some(User {
        name: name?,
        password_hash,
        roles: roles?,
    })
}

fn token(section: &mut Section<'_>) -> Option<Token> {
    section.require("name", "give the token a name");
    section.require(
        "hash",
        "`pentamer hash-password --token` makes a token and its hash",
    );
    let name = section.parsed(
        "name",
        "a name of 1 to 64 characters",
        "it stands in the audit",
        name,
    );
    let hash = section.parsed(
        "hash",
        "64 hexadecimal digits",
        "`pentamer hash-password --token` makes a token and its hash",
        TokenHash::parse,
    );
    let expires = section.parsed(
        "expires",
        "a time such as `2030-01-31T00:00:00Z`",
        "from then on the token opens nothing",
        |text| Some(Timestamp::from_jiff(text.parse().ok()?)),
    );
    let roles = roles(section);
    Some(Token {
        name: name?,
        hash: hash?,
        roles: roles?,
        expires,
    })
}

fn roles(section: &mut Section<'_>) -> Option<BTreeSet<Role>> {
    section.require("roles", "choose of `viewer`, `clinician`, `operator`");
    let expected = one_of(ROLES.iter().map(|(word, _)| *word));
    let found = section.list(
        "roles",
        &expected,
        "viewers look, clinicians acknowledge and mute, operators mend",
        |text| {
            ROLES
                .iter()
                .find(|(word, _)| *word == text)
                .map(|(_, role)| *role)
        },
    )?;
    Some(found.into_iter().collect())
}

fn name(text: &str) -> Option<String> {
    let plain = !text.trim().is_empty()
        && text.trim() == text
        && text.chars().count() <= 64
        && !text.chars().any(char::is_control);
    plain.then(|| text.to_owned())
}

fn header(text: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    // What a browser or a proxy sends of itself says nothing about who it is.
    let common = ["host", "cookie", "origin", "authorization", "content-type"];
    let fits = !text.is_empty()
        && text.chars().all(plain)
        && !common.contains(&text.to_ascii_lowercase().as_str());
    fits.then(|| text.to_ascii_lowercase())
}
