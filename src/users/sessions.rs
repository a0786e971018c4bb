//! Sessions in memory: a random name in the browser's cookie, of which only a hash is kept here.

use super::{TokenHash, random};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Sessions at once; beyond that the one that was used least lately ends.
const MOST: usize = 10_000;

/// How long a session lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// From sign-in.
    pub longest: Duration,
    /// From the last request.
    pub idle: Duration,
}

/// A session that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Whose.
    pub user: String,
    /// What a form must bring along.
    pub csrf: String,
    begun: Instant,
    used: Instant,
}

/// All sessions.
#[derive(Debug, Default)]
pub struct Sessions(Mutex<BTreeMap<String, Session>>);

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session; what goes into the cookie. Always a new name: none that the browser brought
    /// along is ever taken over.
    ///
    /// # Errors
    /// Where the system gives no random numbers.
    pub fn begin(
        &self,
        user: &str,
        now: Instant,
        terms: Terms,
    ) -> Result<String, getrandom::Error> {
        let (name, csrf) = (random()?, random()?);
        let mut sessions = self.lock();
        sessions.retain(|_, session| session.holds(now, terms));
        if sessions.len() >= MOST {
            let oldest = sessions.iter().min_by_key(|(_, session)| session.used);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                sessions.remove(&oldest);
            }
        }
        let session = Session {
            user: user.to_owned(),
            csrf,
            begun: now,
            used: now,
        };
        sessions.insert(key(&name), session);
        Ok(name)
    }

    /// The session of a cookie, if it still holds; it is used now.
    pub fn find(&self, name: &str, now: Instant, terms: Terms) -> Option<Session> {
        let mut sessions = self.lock();
        let key = key(name);
        let session = sessions.get_mut(&key)?;
        if !session.holds(now, terms) {
            sessions.remove(&key);
            return None;
        }
        session.used = now;
        Some(session.clone())
    }

    /// Ends a session.
    pub fn end(&self, name: &str) {
        self.lock().remove(&key(name));
    }

    /// Ends the sessions of all who are not wanted any more.
    pub fn keep(&self, wanted: impl Fn(&str) -> bool) {
        self.lock().retain(|_, session| wanted(&session.user));
    }
}

impl Session {
    fn holds(&self, now: Instant, terms: Terms) -> bool {
        now.saturating_duration_since(self.begun) < terms.longest
            && now.saturating_duration_since(self.used) < terms.idle
    }
}

fn key(name: &str) -> String {
    TokenHash::of(name).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms {
        longest: Duration::from_secs(100),
        idle: Duration::from_secs(10),
    };

    #[test]
    #[expect(clippy::disallowed_methods, reason = "an instant to count from")]
    fn a_session_ends_when_idle_when_old_and_when_told() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        let name = sessions.begin("ward", start, TERMS).unwrap();
        assert_eq!(sessions.find(&name, after(9), TERMS).unwrap().user, "ward");
        assert!(
            sessions.find(&name, after(18), TERMS).is_some(),
            "used at 9"
        );
        assert_eq!(sessions.find(&name, after(28), TERMS), None, "idle");
        assert_eq!(
            sessions.find(&name, after(19), TERMS),
            None,
            "gone for good"
        );
        let name = sessions.begin("ward", start, TERMS).unwrap();
        for second in (5..100).step_by(5) {
            assert!(sessions.find(&name, after(second), TERMS).is_some());
        }
        assert_eq!(sessions.find(&name, after(100), TERMS), None, "old");
        let name = sessions.begin("ward", start, TERMS).unwrap();
        sessions.end(&name);
        assert_eq!(sessions.find(&name, start, TERMS), None);
        let name = sessions.begin("gone", start, TERMS).unwrap();
        sessions.keep(|user| user != "gone");
        assert_eq!(sessions.find(&name, start, TERMS), None);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "an instant to count from")]
    fn names_are_never_chosen_by_the_browser() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        assert_eq!(sessions.find("planted", now, TERMS), None);
        let one = sessions.begin("ward", now, TERMS).unwrap();
        let two = sessions.begin("ward", now, TERMS).unwrap();
        assert_ne!(one, two);
        let csrf = |name: &str| sessions.find(name, now, TERMS).unwrap().csrf;
        assert_ne!(csrf(&one), csrf(&two));
    }
}
