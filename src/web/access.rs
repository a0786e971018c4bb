//! Who asks: a session, a token, a user whom a trusted proxy names, or, while there are no users, the one
//! who sits at this machine.

use crate::clock;
use crate::core::time::Timestamp;
use crate::users::{Lock, Sessions, Terms, Token, User, Who, random, same};
use axum::http::{HeaderMap, header};
use cookie::Cookie;
use hmac::{Hmac, KeyInit as _, Mac as _};
use ipnet::IpNet;
use sha2::Sha256;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::Semaphore;

/// Passwords that are checked at once: each takes a core and some MiB.
const CHECKS: usize = 2;

/// Who may ask, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Who may sign in.
    pub users: Vec<User>,
    /// Programs.
    pub tokens: Vec<Token>,
    /// How long sessions last.
    pub terms: Terms,
    /// Header in which a proxy names the user, in small letters.
    pub trusted_header: Option<String>,
    /// Proxies that are believed.
    pub trusted_proxies: Vec<IpNet>,
}

impl Rules {
    /// Somebody has to say who he is.
    pub fn has_users(&self) -> bool {
        !self.users.is_empty() || !self.tokens.is_empty()
    }

    fn user(&self, name: &str) -> Option<Who> {
        let user = self.users.iter().find(|user| user.name == name)?;
        Some(Who {
            name: user.name.clone(),
            roles: user.roles.clone(),
        })
    }
}

/// How somebody showed who he is; what a browser sends of itself takes more for what changes something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// Nobody has to, from this machine.
    Local,
    /// `Authorization: Bearer`.
    Token,
    /// A cookie; what its forms must bring along.
    Session { csrf: String },
    /// The proxy's header.
    Proxy,
}

/// The one who asks.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    pub(super) who: Who,
    pub(super) way: Way,
    /// Address, without the port.
    pub(super) from: String,
}

impl Asking {
    /// Who did something: whoever is signed in, whatever was said; at this machine, without users, the
    /// one that was named.
    pub(super) fn author(&self, said: String) -> String {
        match self.way {
            Way::Local => said,
            Way::Token | Way::Session { .. } | Way::Proxy => self.who.name.clone(),
        }
    }
}

/// Rules in force, sessions, and failed tries.
#[derive(Debug)]
pub struct Access {
    rules: RwLock<Arc<Rules>>,
    pub(super) sessions: Sessions,
    pub(super) lock: Lock,
    pub(super) checks: Semaphore,
    /// For what the forms of those bring along who have no session.
    secret: String,
    /// The pages are behind TLS: cookies too.
    pub(super) secure: bool,
}

impl Access {
    /// Rules as configured.
    ///
    /// # Errors
    /// Where the system gives no random numbers.
    pub fn new(rules: Rules, secure: bool) -> Result<Self, getrandom::Error> {
        Ok(Self {
            rules: RwLock::new(Arc::new(rules)),
            sessions: Sessions::default(),
            lock: Lock::default(),
            checks: Semaphore::new(CHECKS),
            secret: random()?,
            secure,
        })
    }

    /// The rules in force.
    pub(super) fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Other rules from now on. Sessions of users that are gone, or whose password is another, end.
    pub fn take(&self, rules: Rules) {
        let old = self.rules();
        self.sessions.keep(|name| {
            let find = |rules: &Rules| rules.users.iter().find(|user| user.name == name).cloned();
            let (before, after) = (find(&old), find(&rules));
            after.is_some_and(|after| {
                before.is_some_and(|before| before.password_hash == after.password_hash)
            })
        });
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }

    /// The cookie's name. `__Host-` is refused by browsers from anywhere but this host over TLS.
    pub(super) const fn cookie_name(&self) -> &'static str {
        if self.secure {
            "__Host-pentamer"
        } else {
            "pentamer"
        }
    }

    /// The session that a request brings along.
    pub(super) fn session_name(&self, headers: &HeaderMap) -> Option<String> {
        let mut found = None;
        for value in headers.get_all(header::COOKIE) {
            let text = value.to_str().ok()?;
            for cookie in Cookie::split_parse(text).flatten() {
                if cookie.name() == self.cookie_name() {
                    found = Some(cookie.value().to_owned());
                }
            }
        }
        found
    }

    /// Who asks; `None` where that is to be said first.
    pub(super) fn asking(&self, headers: &HeaderMap, peer: IpAddr) -> Option<Asking> {
        let rules = self.rules();
        let from = peer.to_canonical().to_string();
        let found = |who, way| {
            let from = from.clone();
            Some(Asking { who, way, from })
        };
        if !rules.has_users() {
            return found(Who::local(), Way::Local);
        }
        if let Some(value) = headers.get(header::AUTHORIZATION) {
            // Whoever shows a token is that token or nobody.
            let who = bearer(value.to_str().ok()?, &rules, clock::now())?;
            return found(who, Way::Token);
        }
        if let Some(name) = named_by_proxy(&rules, headers, peer) {
            return found(rules.user(name)?, Way::Proxy);
        }
        let name = self.session_name(headers)?;
        let session = (self.sessions).find(&name, clock::monotonic(), rules.terms)?;
        let who = rules.user(&session.user)?;
        let csrf = session.csrf;
        found(who, Way::Session { csrf })
    }

    /// What the forms of somebody must bring along.
    pub(super) fn csrf(&self, asking: &Asking) -> String {
        if let Way::Session { csrf } = &asking.way {
            return csrf.clone();
        }
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()) else {
            return String::new();
        };
        mac.update(asking.who.name.as_bytes());
        let digest = mac.finalize().into_bytes();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether a form or a header brought it along.
    pub(super) fn is_csrf(&self, asking: &Asking, brought: &str) -> bool {
        let expected = self.csrf(asking);
        !expected.is_empty() && same(&expected, brought)
    }
}

fn bearer(value: &str, rules: &Rules, now: Timestamp) -> Option<Who> {
    let token = value.strip_prefix("Bearer ")?.trim();
    let mut found = None;
    // All of them: how long it takes does not tell which.
    for one in &rules.tokens {
        if one.hash.is_of(token) {
            found = Some(one);
        }
    }
    let one = found.filter(|one| one.expires.is_none_or(|end| now < end))?;
    Some(Who {
        name: one.name.clone(),
        roles: one.roles.clone(),
    })
}

fn named_by_proxy<'h>(rules: &Rules, headers: &'h HeaderMap, peer: IpAddr) -> Option<&'h str> {
    let name = rules.trusted_header.as_deref()?;
    let peer = peer.to_canonical();
    if !rules.trusted_proxies.iter().any(|net| net.contains(&peer)) {
        return None;
    }
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::users::{Role, TokenHash};
    use std::collections::BTreeSet;
    use std::net::Ipv4Addr;
    use std::time::Duration;

    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 5));

    fn rules() -> Rules {
        let user = |name: &str| User {
            name: name.to_owned(),
            password_hash: None,
            roles: BTreeSet::from([Role::Clinician]),
        };
        Rules {
            users: vec![user("ward"), user("night")],
            tokens: vec![Token {
                name: "dashboard".to_owned(),
                hash: TokenHash::of("secret"),
                roles: BTreeSet::from([Role::Viewer]),
                expires: Some(Timestamp::from_micros(i64::MAX)),
            }],
            terms: Terms {
                longest: Duration::from_secs(60),
                idle: Duration::from_secs(60),
            },
            trusted_header: Some("x-remote-user".to_owned()),
            trusted_proxies: vec!["10.0.0.5/32".parse().unwrap()],
        }
    }

    fn access(rules: Rules) -> Access {
        Access::new(rules, false).unwrap()
    }

    fn headers(list: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            let name: header::HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    fn name(access: &Access, list: &[(&str, &str)], peer: IpAddr) -> Option<String> {
        Some(access.asking(&headers(list), peer)?.who.name)
    }

    #[test]
    fn without_users_it_is_the_one_who_sits_here() {
        let access = access(Rules {
            users: Vec::new(),
            tokens: Vec::new(),
            ..rules()
        });
        assert_eq!(name(&access, &[], PEER).as_deref(), Some("local"));
    }

    #[test]
    fn tokens_are_believed_until_they_expire() {
        let one = access(rules());
        let asked = |access: &Access, value| name(access, &[("authorization", value)], PEER);
        assert_eq!(asked(&one, "Bearer secret").as_deref(), Some("dashboard"));
        for wrong in ["Bearer other", "Basic secret", "secret", "Bearer ", ""] {
            assert_eq!(asked(&one, wrong), None, "{wrong}");
        }
        // A wrong token is not made good by what else the request has.
        let both = [("authorization", "Bearer other"), ("x-remote-user", "ward")];
        assert_eq!(name(&one, &both, PEER), None);
        let mut over = rules();
        over.tokens[0].expires = Some(Timestamp::from_micros(0));
        assert_eq!(asked(&access(over), "Bearer secret"), None);
    }

    #[test]
    fn only_the_named_proxies_are_believed() {
        let access = access(rules());
        let header = [("x-remote-user", "ward")];
        assert_eq!(name(&access, &header, PEER).as_deref(), Some("ward"));
        assert_eq!(name(&access, &header, Ipv4Addr::LOCALHOST.into()), None);
        assert_eq!(name(&access, &[("x-remote-user", "nobody")], PEER), None);
        let twice = [("x-remote-user", "ward"), ("x-remote-user", "night")];
        assert_eq!(name(&access, &twice, PEER), None);
        let mapped: IpAddr = "::ffff:10.0.0.5".parse().unwrap();
        assert_eq!(name(&access, &header, mapped).as_deref(), Some("ward"));
    }

    #[test]
    fn sessions_end_with_their_user() {
        let access = access(rules());
        let begin = |who| {
            let now = clock::monotonic();
            access.sessions.begin(who, now, rules().terms).unwrap()
        };
        let (ward, night) = (begin("ward"), begin("night"));
        let asked = |session: &str| {
            let cookie = format!("a=b; pentamer={session}");
            name(&access, &[("cookie", &cookie)], PEER)
        };
        assert_eq!(asked(&ward).as_deref(), Some("ward"));
        let mut fewer = rules();
        fewer.users.remove(0);
        access.take(fewer);
        assert_eq!(asked(&ward), None);
        assert_eq!(asked(&night).as_deref(), Some("night"));
        assert_eq!(asked("planted"), None);
    }

    #[test]
    fn forms_bring_along_what_only_their_own_page_knows() {
        let access = access(rules());
        let asking = access
            .asking(&headers(&[("x-remote-user", "ward")]), PEER)
            .unwrap();
        let other = access
            .asking(&headers(&[("x-remote-user", "night")]), PEER)
            .unwrap();
        let csrf = access.csrf(&asking);
        assert!(access.is_csrf(&asking, &csrf));
        assert!(!access.is_csrf(&other, &csrf));
        assert!(!access.is_csrf(&asking, ""));
    }
}
