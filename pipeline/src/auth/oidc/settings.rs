//! What is configured of an issuer.

use sinks::config::secret::Secret;

use crate::auth::Role;
use crate::outbound::Reach;

/// An issuer, and what its people may do here.
#[derive(Clone, Debug)]
pub struct OidcSettings {
    /// Its name and address: `iss` of its tokens, letter by letter.
    pub issuer: String,
    /// As whom it knows us.
    pub client_id: String,
    /// By what we prove that; `None`: a public client, by PKCE alone.
    pub client_secret: Option<Secret>,
    /// For whom the API's tokens are made.
    pub audience: String,
    /// Where the issuer sends people back to; `None`: nobody signs in to the console so.
    pub redirect_url: Option<String>,
    /// The claim that gives roles.
    pub roles_claim: String,
    /// Its words for viewers, responders and admins.
    pub roles: [Vec<String>; 3],
    /// The claim that holds people's names.
    pub name_claim: String,
    /// What is asked for at sign-in, separated by blanks.
    pub scope: String,
    /// Whom we may ask.
    pub reach: Reach,
    /// How long a session lasts. Unit: seconds.
    pub session_secs: i64,
}

impl OidcSettings {
    /// The words that give a role.
    #[must_use]
    pub fn words(&self, role: Role) -> &[String] {
        let [viewer, responder, admin] = &self.roles;
        match role {
            Role::Viewer => viewer,
            Role::Responder => responder,
            Role::Admin => admin,
        }
    }
}
