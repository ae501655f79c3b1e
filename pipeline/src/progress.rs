//! Progress on standard error: a bar or a spinner on a terminal, nothing elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A progress bar, or nothing.
pub struct Progress(ProgressBar);

impl Progress {
    /// Work of unknown length.
    #[must_use]
    pub fn spinner(what: &'static str) -> Self {
        let bar = ProgressBar::new_spinner();
        bar.set_draw_target(ProgressDrawTarget::stderr());
        bar.set_prefix(what);
        bar.set_style(style("{spinner} {prefix} {msg}"));
        Self(bar)
    }

    /// Work of known length.
    #[must_use]
    pub fn bar(what: &'static str, length: u64) -> Self {
        let bar = ProgressBar::new(length);
        bar.set_draw_target(ProgressDrawTarget::stderr());
        bar.set_prefix(what);
        bar.set_style(style("{prefix} [{bar:40}] {percent}% {msg}"));
        Self(bar)
    }

    /// How far it has come.
    pub fn at(&self, position: u64) {
        self.0.set_position(position);
    }

    /// What is going on.
    pub fn say(&self, what: String) {
        self.0.set_message(what);
        self.0.tick();
    }

    /// Prints a line above the bar; on no terminal, on standard error.
    pub fn line(&self, text: &str) {
        if self.0.is_hidden() {
            eprintln!("{text}");
        } else {
            self.0.println(text);
        }
    }

    /// Takes the bar off the screen.
    pub fn clear(&self) {
        self.0.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
