//! Where the servers listen, and who may come.

use std::net::SocketAddr;

use axum::http::HeaderName;
use model::name::Name;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sinks::config::secret::SecretRef;

use super::check::Checker;
use super::oidc::RawOidc;
use super::usable::{Intake, Listen, address};
use crate::auth::oidc::Oidc;
use crate::auth::{Keyring, Role, Token, Unread};
use crate::http::check_listen;
use crate::http::security::{Proxy, Security};
use crate::intake::http::Door;

/// How many tokens a server may have: each request is held against all of them.
const TOKENS_MAX: usize = 256;
/// The longest name of a token. Unit: bytes.
const NAME_BYTES_MAX: usize = 64;

const HTTP_ADVICE: &str = "give tokens with `http.auth.tokens`, name an issuer with `http.auth.oidc`, \
                           or say `http.auth.proxy` if a proxy in front lets nobody through whom it \
                           does not know";
const INTAKE_ADVICE: &str = "give tokens with `intake.auth.tokens`, or say `intake.auth: {anyone: \
                             true}` if a proxy or a network policy keeps others away";

/// Console, API, health and metrics.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawHttp {
    /// `host:port`. An address beyond this machine needs `auth` or `token`. Default `127.0.0.1:7070`.
    pub listen: String,
    /// One token that all share, with the role admin: it lets in, but does not say who asks. Better:
    /// `auth.tokens`.
    pub token: Option<SecretRef>,
    /// Who may ask for what.
    pub auth: RawAuth,
    /// Host names under which people reach it, besides localhost and plain addresses.
    pub host_names: Vec<String>,
}

impl Default for RawHttp {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:7070".to_owned(),
            token: None,
            auth: RawAuth::default(),
            host_names: Vec::new(),
        }
    }
}

/// Who may ask for what: viewers read, responders decide about incidents and silence alerts, admins
/// also add and end maintenance windows and inhibitions.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawAuth {
    /// Tokens with a name and a role. The name is the author of what its holder decides.
    pub tokens: Vec<RawToken>,
    /// An OpenID issuer whose people and programs are let in, with the roles that a claim gives.
    pub oidc: Option<RawOidc>,
    /// A proxy in front asks everybody who they are, and lets nobody through whom it does not know.
    /// Nobody may reach the address around it.
    pub proxy: Option<RawProxy>,
    /// Whether `/metrics` is shown to everybody, for a Prometheus that cannot send a token. Default false.
    pub open_metrics: bool,
}

/// A token with a name and a role.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawToken {
    /// Whose it is: 1 to 64 of A-Z a-z 0-9 . _ - @ +. Two tokens may have one name, to replace one by
    /// the other.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// The token, of 16 bytes or more: from an environment variable or a file.
    pub secret: SecretRef,
}

/// A proxy in front.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawProxy {
    /// What those may do whom it lets through.
    pub role: Role,
    /// The header in which it says who asks (`x-forwarded-user`); it must take it out of what comes
    /// from outside. Without it, callers say their names themselves.
    #[serde(default)]
    pub user_header: Option<String>,
}

/// OTLP/HTTP, alerts and webhooks in.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawIntake {
    /// `host:port`. An address beyond this machine needs `auth` or `token`. Default `127.0.0.1:4318`.
    pub listen: String,
    /// One token that all senders share.
    pub token: Option<SecretRef>,
    /// Who may send.
    pub auth: RawIntakeAuth,
}

impl Default for RawIntake {
    fn default() -> Self {
        Self { listen: "127.0.0.1:4318".to_owned(), token: None, auth: RawIntakeAuth::default() }
    }
}

/// Who may send.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawIntakeAuth {
    /// Tokens with a name, one for each sender.
    pub tokens: Vec<RawSender>,
    /// The secret with which GitHub signs what it sends to `/webhooks/github`, instead of a token.
    pub github_secret: Option<SecretRef>,
    /// What GitLab sends to `/webhooks/gitlab` as `X-Gitlab-Token`, instead of a token.
    pub gitlab_token: Option<SecretRef>,
    /// Whether whoever reaches the address may send: a proxy or a network policy keeps others away.
    /// Default false.
    pub anyone: bool,
}

/// A sender's token.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawSender {
    /// Who sends: 1 to 64 of A-Z a-z 0-9 . _ - @ +.
    pub name: String,
    /// The token, of 16 bytes or more: from an environment variable or a file.
    pub secret: SecretRef,
}

/// A token as it is written, of whichever server.
struct Written<'a> {
    key: String,
    name: Option<&'a str>,
    role: Role,
    secret: &'a SecretRef,
}

impl Checker {
    /// The API's address and who may ask; `key` is where the address is written.
    pub(super) fn http(&mut self, key: &str, raw: &RawHttp) -> Listen {
        let address = self.address(key, &raw.listen);
        let mut security = Security::default().with_host_names(raw.host_names.iter().cloned());
        if let Some(keyring) = self.callers(raw) {
            security = security.with_tokens(keyring);
        }
        if let Some(oidc) = &raw.auth.oidc {
            security = security.with_issuer(Oidc::new(self.oidc(oidc, raw)));
        }
        if let Some(proxy) = &raw.auth.proxy {
            security = security.behind(self.proxy(proxy));
        }
        if raw.auth.open_metrics {
            security = security.with_open_metrics();
        }
        if let Err(refused) = check_listen(address, security.is_guarded(), HTTP_ADVICE) {
            self.error(key, &refused.to_string());
        }
        Listen { address, security }
    }

    /// The tokens of the API, where there are some.
    pub(super) fn callers(&mut self, raw: &RawHttp) -> Option<Keyring> {
        let shared = raw.token.iter().map(|secret| shared("http.token", Role::Admin, secret));
        let named = raw.auth.tokens.iter().enumerate().map(|(place, token)| Written {
            key: format!("http.auth.tokens[{place}]"),
            name: Some(&token.name),
            role: token.role,
            secret: &token.secret,
        });
        let written: Vec<_> = shared.chain(named).collect();
        let held = self.kept.callers.take();
        (!written.is_empty()).then(|| self.keyring(&written, held.as_ref()))
    }

    /// The tokens of the intake, where there are some.
    pub(super) fn senders(&mut self, raw: &RawIntake) -> Option<Keyring> {
        let shared = raw.token.iter().map(|secret| shared("intake.token", Role::Viewer, secret));
        let named = raw.auth.tokens.iter().enumerate().map(|(place, token)| Written {
            key: format!("intake.auth.tokens[{place}]"),
            name: Some(&token.name),
            role: Role::Viewer,
            secret: &token.secret,
        });
        let written: Vec<_> = shared.chain(named).collect();
        let held = self.kept.senders.take();
        (!written.is_empty()).then(|| self.keyring(&written, held.as_ref()))
    }

    /// The intake's address and who may send.
    pub(super) fn intake(&mut self, raw: &RawIntake) -> Intake {
        let address = self.address("intake.listen", &raw.listen);
        let mut door = Door::default();
        let senders = self.senders(raw);
        let is_guarded = senders.is_some() || raw.auth.anyone;
        if let Some(senders) = senders {
            door = door.with_senders(senders);
            if raw.auth.anyone {
                self.error("intake.auth.anyone", "is true, but there are tokens; choose one");
            }
        }
        if let Some(secret) = &raw.auth.github_secret
            && let Some(secret) = self.secret("intake.auth.github_secret", secret)
        {
            door = door.with_github_secret(secret);
        }
        if let Some(token) = &raw.auth.gitlab_token
            && let Some(token) = self.secret("intake.auth.gitlab_token", token)
        {
            door = door.with_gitlab_token(token);
        }
        if let Err(refused) = check_listen(address, is_guarded, INTAKE_ADVICE) {
            self.error("intake.listen", &refused.to_string());
        }
        Intake { address, door }
    }

    fn address(&mut self, key: &str, text: &str) -> SocketAddr {
        address(text).unwrap_or_else(|| {
            self.error(key, &format!("`{text}` is no `host:port`"));
            SocketAddr::from(([127, 0, 0, 1], 0))
        })
    }

    /// What cannot be read is left out: the ring then lets in fewer, never more. What the ring that is `held` knows of a
    /// file that says nothing at the moment stays.
    fn keyring(&mut self, written: &[Written<'_>], held: Option<&Keyring>) -> Keyring {
        if let Some(one) = written.get(TOKENS_MAX) {
            self.error(&one.key, &format!("is one too many; {TOKENS_MAX} tokens can be had"));
        }
        let (mut tokens, mut unread): (Vec<Token>, Vec<Unread>) = (Vec::new(), Vec::new());
        for one in written.iter().take(TOKENS_MAX) {
            let is_named_well = self.is_named_well(one, written);
            let (name, role) = (one.name.map(Name::from), one.role);
            let secret = match self.token(&one.key, one.secret) {
                Ok(Some(secret)) => secret,
                Ok(None) => continue,
                Err(file) => {
                    if is_named_well && !self.kept.given_up.contains(&file) {
                        unread.push(Unread { name, role, file });
                    }
                    continue;
                }
            };
            let file = match one.secret {
                SecretRef::File(file) => Some(file.clone()),
                SecretRef::Env(_) => None,
            };
            tokens.push(Token { name, role, secret, file });
            if let Err(refused) = Keyring::new(&tokens) {
                self.error(&one.key, &refused.to_string());
                tokens.pop();
            } else if !is_named_well {
                tokens.pop();
            }
        }
        match held {
            Some(held) => held.renewed(&tokens, &unread).unwrap_or_default(),
            None => Keyring::new(&tokens).unwrap_or_default(),
        }
    }

    fn is_named_well(&mut self, one: &Written<'_>, all: &[Written<'_>]) -> bool {
        let Some(name) = one.name else { return true };
        let errors = self.count();
        let plain = |c: u8| c.is_ascii_alphanumeric() || b"._-@+".contains(&c);
        if !(1..=NAME_BYTES_MAX).contains(&name.len()) || !name.bytes().all(plain) {
            let what = "has a name that is none; use 1 to 64 of A-Z a-z 0-9 . _ - @ +";
            self.error(&one.key, what);
        }
        let is_other = |other: &&Written<'_>| other.name == one.name && other.role != one.role;
        if let Some(other) = all.iter().find(is_other).filter(|other| other.role > one.role) {
            let (role, other) = (one.role, other.role);
            self.error(&one.key, &format!("`{name}` is {role} here and {other} elsewhere"));
        }
        self.count() == errors
    }

    fn proxy(&mut self, raw: &RawProxy) -> Proxy {
        let key = "http.auth.proxy.user_header";
        let mut read = |name: &String| match HeaderName::try_from(name.as_str()) {
            Ok(name) => name,
            Err(_) => {
                self.error(key, &format!("`{name}` is no name of a header"));
                HeaderName::from_static("x-forwarded-user")
            }
        };
        Proxy { user_header: raw.user_header.as_ref().map(&mut read), role: raw.role }
    }
}

fn shared<'a>(key: &str, role: Role, secret: &'a SecretRef) -> Written<'a> {
    Written { key: key.to_owned(), name: None, role, secret }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::config::raw::RawConfig;
    use crate::config::usable::Config;

    fn check(yaml: &str) -> Result<Config, Vec<String>> {
        let yaml = format!("log: {{kind: embedded, directory: d}}\n{yaml}");
        let raw: RawConfig = serde_saphyr::from_str(&yaml).map_err(|e| vec![e.to_string()])?;
        Checker::default().check(raw)
    }

    /// A file with a secret; it lives as long as what is returned.
    fn secret(text: &str) -> (tempfile::NamedTempFile, String) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let named = format!("{{file: {}}}", file.path().display());
        (file, named)
    }

    #[test]
    fn a_public_address_without_authentication_is_refused_with_what_to_do() {
        let errors = check(
            "http: {listen: '0.0.0.0:7070', auth: {open_metrics: true}}\n\
             intake: {listen: '[::]:4318'}\n",
        )
        .unwrap_err();
        for (key, advice) in [
            ("http.listen: 0.0.0.0:7070", "http.auth.tokens"),
            ("http.listen", "http.auth.proxy"),
            ("intake.listen: [::]:4318", "intake.auth.tokens"),
            ("intake.listen", "intake.auth: {anyone: true}"),
        ] {
            let found = errors.iter().find(|error| error.starts_with(key)).unwrap();
            assert!(found.contains(advice) && found.contains("127.0.0.1"), "{found}");
        }
    }

    #[test]
    fn a_public_address_is_served_with_tokens_or_by_word_that_others_ask() {
        let (_file, token) = secret("a-token-of-some-length");
        for yaml in [
            format!("http: {{listen: '0.0.0.0:1', token: {token}}}\n"),
            format!(
                "http: {{listen: '0.0.0.0:1', auth: {{tokens: [{{name: ann, role: viewer, \
                 secret: {token}}}]}}}}\n"
            ),
            "http: {listen: '0.0.0.0:1', auth: {proxy: {role: responder}}}\n".to_owned(),
            format!("intake: {{listen: '0.0.0.0:1', token: {token}}}\n"),
            format!(
                "intake: {{listen: '0.0.0.0:1', auth: {{tokens: [{{name: am, secret: {token}}}]}}}}\n"
            ),
            "intake: {listen: '0.0.0.0:1', auth: {anyone: true}}\n".to_owned(),
        ] {
            let config = check(&yaml).unwrap();
            assert!(!format!("{config:?}").contains("some-length"), "a token is never printed");
        }
    }

    #[test]
    fn what_is_wrong_with_tokens_is_told_with_their_place() {
        let (_one, one) = secret("a-token-of-some-length");
        let (_two, two) = secret("another-token-of-length");
        let (_short, short) = secret("hunter2");
        let errors = check(&format!(
            "http: {{token: {one}, auth: {{proxy: {{role: viewer, user_header: 'a b'}}, tokens: [\
               {{name: ann, role: viewer, secret: {one}}},\
               {{name: 'b c', role: viewer, secret: {short}}},\
               {{name: ann, role: admin, secret: {two}}},\
               {{name: dan, role: admin, secret: {{env: NOT_SET_ANYWHERE}}}}]}}}}\n\
             intake: {{token: {one}, auth: {{anyone: true, github_secret: {{file: /no/such}}}}}}\n"
        ))
        .unwrap_err();
        for expected in [
            "http.auth.tokens[0]: two tokens are the same",
            "http.auth.tokens[0]: `ann` is viewer here and admin elsewhere",
            "http.auth.tokens[1]: has a name that is none",
            "http.auth.tokens[1]: the token has 7 bytes",
            "http.auth.tokens[3]: environment variable NOT_SET_ANYWHERE",
            "http.auth.proxy.user_header: `a b`",
            "intake.auth.anyone: is true, but there are tokens",
            "intake.auth.github_secret: file /no/such",
        ] {
            assert!(errors.iter().any(|e| e.starts_with(expected)), "{expected}: {errors:#?}");
        }
        assert_eq!(errors.len(), 8, "{errors:#?}");
        assert!(!errors.concat().contains("hunter2"));
        assert!(
            check("http: {auth: {tokens: [{name: ann, role: root, secret: {env: A}}]}}\n").is_err()
        );
    }
}
