//! Bearer tokens against an issuer on loopback that signs with real keys.

use model::time::Timestamp;
use serde_json::{Value, json};

use super::double::signer::{by_secret, encoded, unsigned};
use super::double::{CLIENT, Double, Signer, later};
use super::*;
use crate::auth::Role;

const NOW: Timestamp = Timestamp::from_millis(1_773_713_220_000);

async fn judge(oidc: &Oidc, token: &str, now: Timestamp) -> Verdict {
    oidc.await_keys(token.as_bytes(), now).await;
    oidc.by_token(token.as_bytes(), now)
}

fn role(verdict: &Verdict) -> Option<Role> {
    match verdict {
        Verdict::Caller(caller) => Some(caller.role),
        _ => None,
    }
}

/// Good claims with one of them changed; `null` takes it out.
fn with(double: &Double, name: &str, value: Value) -> Value {
    let mut claims = double.claims("admin", NOW);
    let all = claims.as_object_mut().unwrap();
    all.insert(name.to_owned(), value);
    all.retain(|_, value| !value.is_null());
    claims
}

#[tokio::test]
async fn a_token_of_each_kind_of_key_says_who_asks() {
    let signers = [Signer::rsa("one"), Signer::p256("two"), Signer::ed("three")];
    let double = Double::start(&signers.each_ref());
    let oidc = double.oidc();
    for signer in &signers {
        let token = signer.sign(&double.claims("responder", NOW));
        let Verdict::Caller(caller) = judge(&oidc, &token, NOW).await else { panic!() };
        assert_eq!((caller.name.as_deref(), caller.role), (Some("ann"), Role::Responder));
        assert_eq!(caller.means, Means::Token);
    }
    assert_eq!(double.asked_for_keys(), 1, "keys are kept");
    let mut many = double.claims("viewer", NOW);
    many["aud"] = json!(["another", CLIENT]);
    assert!(role(&judge(&oidc, &signers[0].sign(&many), NOW).await).is_some());
    let typed =
        |typ: &str| signers[1].sign_as(&json!({ "alg": "ES256", "kid": "two", "typ": typ }), &many);
    for (typ, is) in [("at+jwt", true), ("JWT", true), ("logout+jwt", false), ("dpop+jwt", false)] {
        assert_eq!(role(&judge(&oidc, &typed(typ), NOW).await).is_some(), is, "{typ}");
    }
    let nameless = with(&double, "preferred_username", Value::Null);
    let Verdict::Caller(caller) = judge(&oidc, &signers[1].sign(&nameless), NOW).await else {
        panic!()
    };
    assert_eq!(caller.name.as_deref(), Some("7d1f"), "by its subject");
}

#[tokio::test]
async fn a_name_that_is_none_is_refused_and_not_replaced_by_the_subject() {
    let signer = Signer::p256("one");
    let double = Double::start(&[&signer]);
    let oidc = double.oidc();
    let long = "x".repeat(201);
    for name in ["", " ", "a\u{202e}nn", "ann\u{200b}", "\u{2066}ann", "a\nb", &long] {
        let token = signer.sign(&with(&double, "preferred_username", json!(name)));
        assert_eq!(judge(&oidc, &token, NOW).await, Verdict::Nobody, "{name:?}");
    }
    let number = signer.sign(&with(&double, "preferred_username", json!(7)));
    assert_eq!(judge(&oidc, &number, NOW).await, Verdict::Nobody);
}

#[tokio::test]
async fn a_token_that_names_no_key_is_held_against_a_few() {
    let signers = ["1", "2", "3", "4", "5"].map(Signer::p256);
    let double = Double::start(&signers.each_ref());
    let oidc = double.oidc();
    let claims = double.claims("viewer", NOW);
    let nameless = |signer: &Signer| signer.sign_as(&json!({ "alg": "ES256" }), &claims);
    assert!(role(&judge(&oidc, &nameless(&signers[3]), NOW).await).is_some());
    assert_eq!(judge(&oidc, &nameless(&signers[4]), NOW).await, Verdict::Nobody);
    assert!(role(&judge(&oidc, &signers[4].sign(&claims), NOW).await).is_some());
}

#[tokio::test]
async fn who_comes_while_the_issuer_is_asked_waits_for_its_answer() {
    let signer = Signer::p256("one");
    let double = Double::start(&[&signer]);
    let oidc = double.oidc();
    let token = signer.sign(&double.claims("viewer", NOW));
    double.hold();
    let (first, second, ()) =
        tokio::join!(judge(&oidc, &token, NOW), judge(&oidc, &token, NOW), async {
            double.free();
        });
    assert!(role(&first).is_some() && role(&second).is_some(), "{first:?} {second:?}");
    assert_eq!(double.asked_for_keys(), 1);
}

#[tokio::test]
async fn only_a_few_sign_ins_ask_the_issuer_at_once() {
    let double = Double::start(&[]);
    let oidc = double.oidc();
    let mut ways = Vec::new();
    for _ in 0..=super::sign_in::EXCHANGES_MAX {
        let begun = oidc.begin("/", NOW).await.unwrap();
        let state = begun.to.split('&').find_map(|pair| pair.strip_prefix("state=")).unwrap();
        let callback = serde_json::from_value(json!({ "code": "none", "state": state })).unwrap();
        ways.push((callback, begun.browser));
    }
    double.hold();
    let (last, browser) = ways.pop().unwrap();
    let tasks: Vec<_> = ways
        .into_iter()
        .map(|(callback, browser): (Callback, String)| {
            let oidc = oidc.clone();
            tokio::spawn(async move { oidc.finish(&callback, &browser, NOW).await })
        })
        .collect();
    while oidc.inner.exchanges.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    let refused = oidc.finish(&last, &browser, NOW).await.unwrap_err();
    assert_eq!(refused, SignInError::Away("too many sign-ins end at once".to_owned()));
    double.free();
    for task in tasks {
        assert!(matches!(task.await.unwrap(), Err(SignInError::Refused(_))), "it was asked");
    }
}

#[tokio::test]
async fn a_short_secret_signs_no_session() {
    let double = Double::start(&[]);
    let short = || {
        let secret = Some(sinks::config::secret::Secret::new("a-secret-of-thirty-one-bytes-xx"));
        Oidc::new(OidcSettings { client_secret: secret, ..double.settings() })
    };
    let oidc = short();
    let made = oidc.inner.sessions.make(&"ann".into(), Role::Viewer, NOW).unwrap().0;
    assert!(oidc.by_session(&made, NOW).is_some());
    assert_eq!(short().by_session(&made, NOW), None, "its key is not the secret's");
}

#[tokio::test]
async fn claims_that_are_not_for_us_or_not_for_now_are_refused() {
    let signer = Signer::p256("one");
    let double = Double::start(&[&signer]);
    let oidc = double.oidc();
    let secs = NOW.millis() / 1000;
    for (name, value) in [
        ("exp", json!(secs - 31)),
        ("exp", Value::Null),
        ("exp", json!((secs + 300).to_string())),
        ("exp", json!("never")),
        ("exp", json!(-1)),
        ("exp", json!(1.0e300)),
        ("nbf", json!(secs + 31)),
        ("nbf", json!((secs - 1).to_string())),
        ("aud", json!("another")),
        ("aud", json!(["another", "faultline2"])),
        ("aud", Value::Null),
        ("aud", json!({ "a": CLIENT })),
        ("iss", json!("https://idp.example.org")),
        ("iss", json!(format!("{}/", double.url()))),
        ("iss", json!([double.url()])),
        ("iss", Value::Null),
    ] {
        let token = signer.sign(&with(&double, name, value.clone()));
        assert_eq!(judge(&oidc, &token, NOW).await, Verdict::Nobody, "{name}: {value}");
    }
    for (name, value) in [
        ("exp", json!(secs - 29)),
        ("exp", json!(1.5 + secs as f64)),
        ("nbf", json!(secs + 29)),
        ("nbf", json!(secs)),
    ] {
        let token = signer.sign(&with(&double, name, value.clone()));
        assert!(role(&judge(&oidc, &token, NOW).await).is_some(), "{name}: {value}");
    }
    let token = signer.sign(&double.claims("admin", NOW));
    assert_eq!(judge(&oidc, &token, later(NOW, 331)).await, Verdict::Nobody, "it has ended");
}

#[tokio::test]
async fn a_signature_that_is_none_of_the_issuers_is_refused() {
    let (rsa, other) = (Signer::rsa("one"), Signer::p256("two"));
    let double = Double::start(&[&rsa, &other]);
    let oidc = double.oidc();
    let claims = double.claims("admin", NOW);
    let good = rsa.sign(&claims);
    assert!(role(&judge(&oidc, &good, NOW).await).is_some());
    let (said, signature) = good.rsplit_once('.').unwrap();
    let header = said.split('.').next().unwrap();
    let jwk = rsa.jwk();
    let modulus = jwk["n"].as_str().unwrap();
    let stranger = Signer::p256("two");
    let mut wrong = vec![
        // Somebody else's words under a good signature.
        format!("{header}.{}.{signature}", encoded(with(&double, "sub", json!("eve")).to_string())),
        format!("{said}.{}", encoded([0; 256])),
        format!("{said}."),
        format!("{said}x.{signature}"),
        format!("{good}="),
        format!("{good}.{signature}"),
        said.to_owned(),
        // Another key under a known id, and a known key under another's.
        stranger.sign(&claims),
        other.sign_as(&json!({ "alg": "RS256", "kid": "one" }), &claims),
        other.sign_as(&json!({ "alg": "ES256", "kid": "one" }), &claims),
        rsa.sign_as(&json!({ "alg": "RS512", "kid": "one" }), &claims),
        rsa.sign_as(&json!({ "alg": "PS256", "kid": "one" }), &claims),
        rsa.sign_as(&json!({ "alg": "RS256", "kid": "one", "crit": ["exp"], "exp": 1 }), &claims),
        rsa.sign_as(&json!({ "alg": "RS256", "kid": "one", "b64": false }), &claims),
        rsa.sign_as(&json!({ "kid": "one" }), &claims),
        String::new(),
        "..".to_owned(),
    ];
    wrong.extend(
        ["none", "None", "NONE", "nOnE", "", "HS256", "RS256"].map(|a| unsigned(a, &claims)),
    );
    // The public key taken for a shared secret, in the forms in which it can be had.
    let secrets = [modulus.to_owned(), jwk.to_string(), encoded(modulus), String::from("secret")];
    wrong.extend(secrets.map(|secret| by_secret(secret.as_bytes(), &claims)));
    for token in wrong {
        assert_eq!(judge(&oidc, &token, NOW).await, Verdict::Nobody, "{token}");
    }
}

#[tokio::test]
async fn a_shared_secret_among_the_issuers_keys_signs_nothing() {
    let double = Double::start(&[]);
    let secret = encoded("a shared secret, published");
    double.publish_raw(vec![json!({ "kty": "oct", "kid": "one", "alg": "HS256", "k": secret })]);
    let token = by_secret(b"a shared secret, published", &double.claims("admin", NOW));
    assert_eq!(judge(&double.oidc(), &token, NOW).await, Verdict::Nobody);
}

#[tokio::test]
async fn roles_come_from_the_claim_and_who_has_none_has_none() {
    let signer = Signer::ed("one");
    let double = Double::start(&[&signer]);
    let oidc = double.oidc();
    for groups in
        [json!([]), Value::Null, json!(["Admin"]), json!({ "admin": true }), json!("x"), json!(7)]
    {
        let token = signer.sign(&with(&double, "groups", groups.clone()));
        assert_eq!(judge(&oidc, &token, NOW).await, Verdict::NoRole, "{groups}");
    }
    for (groups, gives) in [
        (json!("viewer"), Role::Viewer),
        (json!(["viewer", "admin", "responder"]), Role::Admin),
        (json!(["responder", 7, "viewer"]), Role::Responder),
    ] {
        let token = signer.sign(&with(&double, "groups", groups));
        assert_eq!(role(&judge(&oidc, &token, NOW).await), Some(gives));
    }
    let nested = Oidc::new(OidcSettings {
        roles_claim: "realm_access.roles".to_owned(),
        ..double.settings()
    });
    let token = signer.sign(&with(&double, "realm_access", json!({ "roles": ["viewer"] })));
    assert_eq!(role(&judge(&nested, &token, NOW).await), Some(Role::Viewer));
    let flat = signer.sign(&with(&double, "realm_access.roles", json!(["admin"])));
    assert_eq!(role(&judge(&nested, &flat, NOW).await), Some(Role::Admin));
}

#[tokio::test]
async fn a_new_key_is_known_soon_and_strangers_do_not_make_us_ask_often() {
    let (old, new) = (Signer::p256("old"), Signer::p256("new"));
    let double = Double::start(&[&old]);
    let oidc = double.oidc();
    let claims = |at| double.claims("viewer", at);
    assert!(role(&judge(&oidc, &old.sign(&claims(NOW)), NOW).await).is_some());
    for stranger in 0..50 {
        let token = Signer::p256(&format!("stranger-{stranger}")).sign(&claims(NOW));
        assert_eq!(judge(&oidc, &token, later(NOW, 1)).await, Verdict::Nobody);
    }
    assert_eq!(double.asked_for_keys(), 1);
    double.publish(&[&old, &new]);
    let at = later(NOW, 10);
    assert!(role(&judge(&oidc, &new.sign(&claims(at)), at).await).is_some());
    assert_eq!(double.asked_for_keys(), 2);
    // Withdrawn: known until the keys are read anew, within an hour, beside.
    double.publish(&[&new]);
    let at = later(NOW, 3_700);
    judge(&oidc, &old.sign(&claims(at)), at).await;
    // Whichever of the two asks, the other waits for it.
    oidc.inner.issuer.ask(at).await;
    assert_eq!(double.asked_for_keys(), 3);
    assert_eq!(judge(&oidc, &old.sign(&claims(at)), at).await, Verdict::Nobody);
    assert!(role(&judge(&oidc, &new.sign(&claims(at)), at).await).is_some());
}

#[tokio::test]
async fn an_issuer_that_is_away_is_said_to_be_and_known_keys_serve_for_a_day() {
    let signer = Signer::p256("one");
    let double = Double::start(&[&signer]);
    let oidc = double.oidc();
    let token = |at| signer.sign(&double.claims("viewer", at));
    double.set_down(true);
    assert_eq!(judge(&oidc, &token(NOW), NOW).await, Verdict::Away);
    assert_eq!(judge(&oidc, "no.token.atall", NOW).await, Verdict::Nobody);
    double.set_down(false);
    assert_eq!(judge(&oidc, &token(NOW), later(NOW, 9)).await, Verdict::Away, "not asked yet");
    assert!(role(&judge(&oidc, &token(NOW), later(NOW, 10)).await).is_some());
    double.set_down(true);
    let unknown = Signer::p256("two");
    let at = later(NOW, 7_200);
    assert_eq!(judge(&oidc, &unknown.sign(&double.claims("viewer", at)), at).await, Verdict::Away);
    assert!(role(&judge(&oidc, &token(at), at).await).is_some(), "the known key serves");
    let at = later(NOW, 90_000);
    assert_eq!(judge(&oidc, &token(at), at).await, Verdict::Away, "but not for ever");
}

#[tokio::test]
async fn a_document_of_another_issuer_is_not_believed() {
    let signer = Signer::p256("one");
    let double = Double::start(&[&signer]);
    let other = format!("http://localhost:{}/realms/ops", double.address.port());
    let reach = crate::outbound::Reach::new([], ["localhost".to_owned(), "127.0.0.1".to_owned()]);
    let oidc = Oidc::new(OidcSettings { issuer: other.clone(), reach, ..double.settings() });
    let token = signer.sign(&with(&double, "iss", json!(other)));
    assert_eq!(judge(&oidc, &token, NOW).await, Verdict::Away);
}

#[tokio::test]
async fn a_session_is_known_until_its_end_and_ends_with_what_it_rests_on() {
    let double = Double::start(&[]);
    let (oidc, settings) = (double.oidc(), double.settings());
    let made = oidc.inner.sessions.make(&"ann".into(), Role::Admin, NOW).unwrap().0;
    let caller = oidc.by_session(&made, later(NOW, 3_599)).unwrap();
    assert_eq!((caller.name.as_deref(), caller.role), (Some("ann"), Role::Admin));
    assert_eq!(oidc.by_session(&made, later(NOW, 3_600)), None);
    assert!(double.oidc().by_session(&made, NOW).is_some(), "another process knows it");
    let viewer = oidc.inner.sessions.make(&"ann".into(), Role::Viewer, NOW).unwrap().0;
    for forged in [
        viewer.replace(".viewer.", ".admin."),
        made.replacen("o.1", "o.9", 1),
        made[..made.len() - 1].to_owned(),
        made.rsplit_once('.').unwrap().0.to_owned(),
        String::new(),
    ] {
        assert_eq!(oidc.by_session(&forged, NOW), None, "{forged}");
    }
    let secret = Some(sinks::config::secret::Secret::new("another"));
    for changed in [
        OidcSettings { client_secret: secret, ..settings.clone() },
        OidcSettings { client_secret: None, ..settings.clone() },
        OidcSettings { roles: [vec![], vec![], vec!["x".into()]], ..settings.clone() },
        OidcSettings { issuer: "https://other.example".into(), ..settings.clone() },
    ] {
        assert_eq!(Oidc::new(changed).by_session(&made, NOW), None);
    }
}
