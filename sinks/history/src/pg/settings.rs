//! How the PostgreSQL protocol is served.

use std::net::SocketAddr;
use std::path::PathBuf;

/// How the PostgreSQL protocol is served.
#[derive(Clone, PartialEq, Eq)]
pub struct PgSettings {
    /// The address.
    pub listen: SocketAddr,
    /// The one user.
    pub user: String,
    /// The user's password. Without one, everybody on this machine may read.
    pub password: Option<String>,
    /// Certificate and key. With them, nothing is spoken in clear text.
    pub tls: Option<TlsFiles>,
    /// Connections at the same time.
    pub connections: usize,
}

/// Where certificate and key are, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those between it and its root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// The password stays out of logs.
impl std::fmt::Debug for PgSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PgSettings")
            .field("listen", &self.listen)
            .field("user", &self.user)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .field("tls", &self.tls)
            .field("connections", &self.connections)
            .finish()
    }
}

impl PgSettings {
    /// What is wrong with them, each with what to do.
    #[must_use]
    pub fn errors(&self) -> Vec<String> {
        let mut errors = Vec::new();
        if !self.listen.ip().is_loopback() {
            if self.password.is_none() {
                errors.push(format!(
                    "{} can be reached from other machines: set a password, or listen on 127.0.0.1",
                    self.listen
                ));
            }
            if self.tls.is_none() {
                errors.push(format!(
                    "{} can be reached from other machines: set tls.certificate and tls.key, or \
                     listen on 127.0.0.1",
                    self.listen
                ));
            }
        }
        if self.user.is_empty() {
            errors.push("the user's name is empty".into());
        }
        if self.password.as_ref().is_some_and(String::is_empty) {
            errors.push("the password is empty".into());
        }
        errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_this_machine_it_needs_a_password_and_tls() {
        let mut settings = PgSettings {
            listen: "0.0.0.0:5433".parse().unwrap(),
            user: "grafana".into(),
            password: None,
            tls: None,
            connections: 8,
        };
        assert_eq!(settings.errors().len(), 2);
        settings.password = Some("secret".into());
        assert_eq!(settings.errors().len(), 1);
        assert!(!format!("{settings:?}").contains("secret"));
        settings.listen = "127.0.0.1:5433".parse().unwrap();
        assert!(settings.errors().is_empty());
    }
}
