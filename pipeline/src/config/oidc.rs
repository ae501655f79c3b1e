//! The issuer whose people and programs are let in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sinks::config::secret::SecretRef;
use ureq::http::Uri;

use super::check::Checker;
use super::listen::RawHttp;
use crate::auth::oidc::OidcSettings;
use crate::outbound::Reach;

/// Where the issuer sends people back to: the path of ours.
const CALLBACK: &str = "/login/callback";
const SECRET: &str = "http.auth.oidc.client_secret";

/// An OpenID issuer: the API takes its bearer tokens, the console its people.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawOidc {
    /// Its name and address, letter by letter as `iss` of its tokens: `https://idp.example.org/realms/ops`.
    pub issuer: String,
    /// As whom it knows faultline.
    pub client_id: String,
    /// The client's secret: from an environment variable or a file. Without it, faultline is a public
    /// client. Without one of 32 bytes or more, sessions are good in one process and end with it.
    #[serde(default)]
    pub client_secret: Option<SecretRef>,
    /// For whom the API's tokens are made (`aud`). Default: the client's id.
    #[serde(default)]
    pub audience: Option<String>,
    /// Where it sends people back to: `https://faultline.example.org/login/callback`. Without it, the console
    /// has no sign-in there.
    #[serde(default)]
    pub redirect_url: Option<String>,
    /// The claim that gives roles: a text or a list of texts; with dots, a path through objects. Default
    /// `groups`.
    #[serde(default = "groups")]
    pub roles_claim: String,
    /// Which of its words give which role. Who has none of them has no role.
    pub roles: RawRoles,
    /// The claim that holds people's names, the author of what they decide; who has none is named by `sub`.
    /// Let it be one that people cannot change themselves. Default `preferred_username`.
    #[serde(default = "preferred_username")]
    pub name_claim: String,
    /// What is asked for at sign-in. Default openid, profile, email.
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
    /// Hosts besides the issuer's own that its keys and tokens may be fetched from.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Those of all these hosts that may be at addresses of this machine or of a private network, and answer
    /// without TLS.
    #[serde(default)]
    pub private_hosts: Vec<String>,
    /// How long a session in the console lasts. Unit: seconds. Default 14400.
    #[serde(default = "session_s")]
    pub session_s: i64,
}

/// The issuer's words for each role.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawRoles {
    /// Who reads.
    pub viewer: Vec<String>,
    /// Who also decides about incidents.
    pub responder: Vec<String>,
    /// Who does all.
    pub admin: Vec<String>,
}

fn groups() -> String {
    "groups".to_owned()
}

fn preferred_username() -> String {
    "preferred_username".to_owned()
}

fn scopes() -> Vec<String> {
    ["openid", "profile", "email"].map(str::to_owned).to_vec()
}

const fn session_s() -> i64 {
    14_400
}

impl Checker {
    /// The issuer; what is wrong is told, and what comes out then is not used.
    pub(super) fn oidc(&mut self, raw: &RawOidc, http: &RawHttp) -> OidcSettings {
        let mut wrong = |key: &str, what: &str| self.error(&format!("http.auth.oidc.{key}"), what);
        let host = raw.issuer.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
        let hosts = host.iter().chain(&raw.hosts).cloned();
        let reach = Reach::new(hosts, raw.private_hosts.iter().cloned());
        if let Err(refused) = reach.host(&raw.issuer) {
            let advice = "only hosts of `private_hosts` may do without TLS";
            wrong("issuer", &format!("{refused}; {advice}"));
        }
        if raw.issuer.contains(['?', '#']) {
            wrong("issuer", "has a query or a fragment, which no issuer has");
        }
        for (key, text) in [("client_id", &raw.client_id), ("roles_claim", &raw.roles_claim)] {
            if text.is_empty() {
                wrong(key, "is empty");
            }
        }
        let given = [&raw.roles.viewer, &raw.roles.responder, &raw.roles.admin];
        if given.iter().all(|words| words.is_empty()) {
            wrong("roles", "gives nobody a role; say which words of the claim give which");
        }
        if given.iter().any(|words| words.iter().any(String::is_empty)) {
            wrong("roles", "has an empty word");
        }
        if !raw.scopes.iter().any(|scope| scope == "openid") {
            wrong("scopes", "must have `openid`: without it there is no token of who signs in");
        }
        if let Some(url) = &raw.redirect_url {
            self.redirect(url, http);
        }
        let session_secs = self.within("http.auth.oidc.session_s", raw.session_s, 300, 43_200);
        let secret = raw.client_secret.as_ref();
        OidcSettings {
            issuer: raw.issuer.clone(),
            client_id: raw.client_id.clone(),
            client_secret: secret.and_then(|secret| self.secret(SECRET, secret)),
            audience: raw.audience.clone().unwrap_or_else(|| raw.client_id.clone()),
            redirect_url: raw.redirect_url.clone(),
            roles_claim: raw.roles_claim.clone(),
            roles: given.map(Clone::clone),
            name_claim: raw.name_claim.clone(),
            scope: raw.scopes.join(" "),
            reach,
            session_secs,
        }
    }

    /// A page of ours, under a name that we answer to: else people would come back to a refusal.
    fn redirect(&mut self, url: &str, http: &RawHttp) {
        let key = "http.auth.oidc.redirect_url";
        let uri = url.parse::<Uri>().ok();
        let host = uri.as_ref().and_then(Uri::host);
        let (Some(uri), Some(host)) = (&uri, host) else {
            return self.error(key, &format!("`{url}` is no URL"));
        };
        if uri.path() != CALLBACK || uri.query().is_some() {
            self.error(key, &format!("has to end in `{CALLBACK}`"));
        }
        let is_plain = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        let is_local = host.eq_ignore_ascii_case("localhost") || is_plain.is_ok();
        if !is_local && !http.host_names.iter().any(|name| name.eq_ignore_ascii_case(host)) {
            self.error(key, &format!("`{host}` is not among `http.host_names`"));
        }
        let scheme = uri.scheme_str();
        if scheme != Some("https") && !(is_local && scheme == Some("http")) {
            self.error(key, "is not https");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::raw::RawConfig;
    use crate::config::usable::Config;

    fn check(oidc: &str) -> Result<Config, Vec<String>> {
        let yaml = format!(
            "log: {{kind: embedded, directory: d}}\n\
             http: {{listen: '0.0.0.0:7070', host_names: [faultline.example.org], auth: {{oidc: {{{oidc}}}}}}}\n"
        );
        let raw: RawConfig = serde_saphyr::from_str(&yaml).map_err(|e| vec![e.to_string()])?;
        Checker::default().check(raw)
    }

    #[test]
    fn an_issuer_guards_a_public_address() {
        let config = check(
            "issuer: 'https://idp.example.org/realms/ops', client_id: faultline, roles: {viewer: [all]}, \
             redirect_url: 'https://faultline.example.org/login/callback'",
        )
        .unwrap();
        assert!(config.http.security.is_guarded());
        assert!(config.http.security.sign_in_issuer().is_some());
        let without = check(
            "issuer: 'http://sso.lan', client_id: f, roles: {admin: [a]}, private_hosts: [sso.lan]",
        );
        assert!(without.unwrap().http.security.sign_in_issuer().is_none());
    }

    #[test]
    fn what_is_wrong_with_an_issuer_is_told_at_once() {
        let errors = check(
            "issuer: 'http://idp.example.org/?a', client_id: '', roles: {admin: ['']}, roles_claim: '', \
             scopes: [email], session_s: 1, client_secret: {file: /no/such}, \
             redirect_url: 'http://elsewhere.example/callback'",
        )
        .unwrap_err();
        for expected in [
            "issuer: http://idp.example.org/?a may not be asked: it is not https",
            "issuer: has a query",
            "client_id: is empty",
            "roles_claim: is empty",
            "roles: has an empty word",
            "scopes: must have `openid`",
            "session_s: 1 is not between",
            "client_secret: file /no/such",
            "redirect_url: has to end in",
            "redirect_url: `elsewhere.example` is not among",
            "redirect_url: is not https",
        ] {
            let expected = format!("http.auth.oidc.{expected}");
            assert!(errors.iter().any(|e| e.starts_with(&expected)), "{expected}: {errors:#?}");
        }
        assert_eq!(errors.len(), 11, "{errors:#?}");
        let nobody =
            check("issuer: 'https://idp.example.org', client_id: f, roles: {}").unwrap_err();
        assert!(nobody.concat().contains("gives nobody a role"), "{nobody:#?}");
    }
}
