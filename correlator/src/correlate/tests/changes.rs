//! Stories of changes: releases that are never heard of, diffs that speak, causes outside.

use model::change::ChangeKind::{Commit, Deploy};

use super::dsl::Story;

fn shop(secs: i64) -> Story {
    Story::new("front>cart front>ads cart>store:db", secs).traffic("front", 50, 0, secs)
}

fn first_change(story: &Story) -> Option<String> {
    let ending = story.run();
    let incident = ending.last.values().next()?;
    incident.hypotheses.first()?.change.as_ref().map(|change| change.id.to_string())
}

#[test]
fn a_release_of_which_nothing_is_heard_is_an_incident_of_its_own() {
    let story = shop(1500)
        .shows_version(0, "ads", "v1")
        .shows_version(0, "cart", "v1")
        .change(200, "ads-v2", Deploy, "ads", "new banner")
        .shows_version(230, "ads", "v2")
        .change(300, "cart-v2", Deploy, "cart", "cheaper carts");
    assert_eq!(first_change(&story).as_deref(), Some("cart-v2"));
    let heard = story.shows_version(380, "cart", "v2");
    assert_eq!(first_change(&heard), None, "late, not silent: {}", heard.run().drawn());
}

#[test]
fn versions_that_telemetry_never_tells_are_not_waited_for() {
    let story = shop(1500)
        .shows_version(0, "cart", "4f2a")
        .change(200, "ads-v2", Deploy, "ads", "new banner")
        .change(300, "cart-v2", Deploy, "cart", "cheaper carts");
    assert_eq!(story.run().last.len(), 0, "{}", story.run().drawn());
}

#[test]
fn of_two_commits_the_one_that_speaks_of_the_error_is_blamed() {
    let story = shop(1500)
        .change(500, "tidy", Commit, "", "cart: tidy the colour of buttons")
        .change(400, "mapping", Commit, "", "cart: rename basket column to holding")
        .errors("cart", 600, 900, &["front"])
        .mentions("cart", "no such column basket in holding table", 600, 900);
    assert_eq!(first_change(&story).as_deref(), Some("mapping"));
}

#[test]
fn a_cause_outside_that_messages_name_beats_a_deploy_nearby() {
    let story = shop(1500).change(560, "cart-v2", Deploy, "cart", "tidy up").errors(
        "cart",
        600,
        900,
        &["front"],
    );
    assert_eq!(first_change(&story).as_deref(), Some("cart-v2"));
    let told = story.mentions("cart", "tls: x509: certificate has expired", 600, 900);
    assert_eq!(first_change(&told), None, "{}", told.run().drawn());
}
