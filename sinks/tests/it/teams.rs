//! One Adaptive Card for each revision that tells a person something new.

use model::incident::IncidentState;
use serde_json::Value;

use crate::double::served::Served;
use crate::double::teams::{SIGNATURE, Teams};
use crate::fixture::{at, in_state, incident, with_service};
use crate::world::{Setup, World};

pub(crate) fn sink_config(double: &Served<Teams>) -> Setup {
    let json = String::from(
        r#"{"teams": {"name": "teams", "webhook": "SECRET0", "timeout_ms": 1000,
            "console_url": "https://faultline.example"}}"#,
    );
    let url = format!("{}/workflows/triggers/manual/run?sig={SIGNATURE}", double.server.url());
    Setup { json, secrets: vec![url] }
}

#[test]
fn cards_tell_news_and_nothing_else() {
    let double = Served::start(Teams::default());
    let mut world = World::new(&sink_config(&double));
    let mut quiet = incident(2);
    quiet.narrative.push_str(" It goes on.");
    for (revision, now) in [
        (incident(1), at(10)),
        (quiet, at(100)),
        (with_service(3, "cart"), at(200)),
        (in_state(4, IncidentState::Resolved), at(300)),
    ] {
        world.publish(&revision, now);
        world.run(now);
    }
    let cards = double.lock().service.cards.clone();
    let [first, update, end] = cards.as_slice() else { panic!("{cards:#?}") };
    let text = |card: &Value, place: &str| {
        card.pointer(place).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    assert_eq!(text(first, "/body/0/inlines/1/text"), "P2 Checkout is slow and fails");
    assert_eq!(text(update, "/body/1/inlines/0/text"), "Now also affected: cart.");
    assert_eq!(text(end, "/body/0/inlines/0/text"), "Resolved: ");
    assert_eq!(
        text(first, "/actions/0/url"),
        "https://faultline.example/incidents/00000000000000ab"
    );
    // Text that reads Markdown is not used at all.
    assert!(cards.iter().all(|card| !card.to_string().contains("TextBlock\"")
        || card.to_string().matches("TextBlock\"").count()
            == card.to_string().matches("RichTextBlock\"").count()));
}

#[test]
fn an_address_that_is_none_is_found_before_anything_happens_and_not_shown() {
    let setup = |secret: &str| {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), secret).expect("it can be written");
        let json =
            format!(r#"{{"teams": {{"name": "t", "webhook": {{"file": {:?}}}}}}}"#, file.path());
        let config = serde_json::from_str(&json).expect("a configuration");
        sinks::config::build(&config).err().unwrap_or_default()
    };
    let errors = setup("not an address but a s3cret");
    assert_eq!(errors.len(), 1);
    assert!(!errors[0].to_string().contains("s3cret"), "{errors:?}");
    assert!(setup("https://prod.example/workflows/x?sig=y").is_empty());
}
