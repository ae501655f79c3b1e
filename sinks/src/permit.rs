//! Whether a destination may be called at this moment, and for how long, asked before each exchange.
//!
//! A delivery can be several exchanges: to look a ticket up, to make it, to write the link. Whoever drives sinks may
//! lose the right to speak between two of them. The permit belongs to the thread, as a sink does while it works: so no
//! exchange of any sink can be made past it.

use std::cell::RefCell;
use std::time::Duration;

/// Says whether destinations may be called.
pub trait Permit {
    /// Within which time an exchange that begins now has to be over; `None`: it may not begin.
    fn left(&self) -> Option<Duration>;
}

thread_local! {
    static PERMIT: RefCell<Option<Box<dyn Permit>>> = const { RefCell::new(None) };
}

/// Does work of which each exchange needs a permit.
pub fn under<T>(permit: impl Permit + 'static, work: impl FnOnce() -> T) -> T {
    let _put_back = PutBack(PERMIT.replace(Some(Box::new(permit))));
    work()
}

/// How long a call of a destination may take that this thread begins now; `None`: it may not be made. Without a permit
/// it may always, for any time.
#[must_use]
pub fn left() -> Option<Duration> {
    PERMIT.with_borrow(|permit| permit.as_ref().map_or(Some(Duration::MAX), |permit| permit.left()))
}

struct PutBack(Option<Box<dyn Permit>>);

impl Drop for PutBack {
    fn drop(&mut self) {
        PERMIT.set(self.0.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Option<Duration>);

    impl Permit for Fixed {
        fn left(&self) -> Option<Duration> {
            self.0
        }
    }

    #[test]
    fn a_permit_holds_for_its_work_alone() {
        let always = Some(Duration::MAX);
        assert_eq!(left(), always);
        let second = Some(Duration::from_secs(1));
        let inside = under(Fixed(None), || (left(), under(Fixed(second), left), left()));
        assert_eq!(inside, (None, second, None));
        assert_eq!(left(), always);
    }
}
