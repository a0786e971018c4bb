//! A `nats-server` that knows only holders of credentials: an operator, its accounts and users, each by a signed
//! token, as the NATS documentation has them (decentralized JWT authentication).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};

/// The server's configuration, and a user's credentials.
pub struct Operator {
    /// Lines for the server's configuration.
    pub config: String,
    /// A user's credentials, as in a `.creds` file.
    pub credentials: String,
    /// Credentials of a user whom another account's key signed.
    pub forged: String,
}

fn token(signer: &KeyPair, subject: &KeyPair, name: &str, claims: &Value) -> String {
    let header = json!({"typ": "JWT", "alg": "ed25519-nkey"});
    let body = json!({
        "jti": name,
        "iat": 1_767_225_600,
        "iss": signer.public_key(),
        "name": name,
        "sub": subject.public_key(),
        "nats": claims,
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(&body));
    let signature = signer.sign(signed.as_bytes()).expect("signed");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn account(signer: &KeyPair, subject: &KeyPair, name: &str, streams: i64) -> String {
    let limits = json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1,
        "leaf": -1, "mem_storage": streams, "disk_storage": streams, "streams": streams, "consumer": streams,
    });
    let claims = json!({
        "limits": limits, "default_permissions": {"pub": {}, "sub": {}}, "type": "account", "version": 2,
    });
    token(signer, subject, name, &claims)
}

fn credentials(account: &KeyPair) -> String {
    let user = KeyPair::new_user();
    let claims = json!({
        "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1, "type": "user", "version": 2,
    });
    let jwt = token(account, &user, "pentamer", &claims);
    let seed = user.seed().expect("a seed");
    format!(
        "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )
}

impl Operator {
    pub fn new() -> Self {
        let operator = KeyPair::new_operator();
        let (system, ours) = (KeyPair::new_account(), KeyPair::new_account());
        let claims = json!({"type": "operator", "version": 2});
        let config = format!(
            "operator: \"{}\"\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{\n  {}: \"{}\"\n  {}: \"{}\"\n}}\n",
            token(&operator, &operator, "operator", &claims),
            system.public_key(),
            system.public_key(),
            account(&operator, &system, "SYS", 0),
            ours.public_key(),
            account(&operator, &ours, "HOSP", -1),
        );
        Self {
            config,
            credentials: credentials(&ours),
            forged: credentials(&KeyPair::new_account()),
        }
    }
}
