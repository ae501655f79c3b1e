//! A thread for one statement, so that a heavy one holds up neither the protocols nor another
//! statement: the machine's scheduler shares the cores among them.

use tokio::runtime::Builder;
use tokio::sync::oneshot;

use super::error::{SqlError, broken};

/// Stack of a thread that plans: deep expressions are walked recursively. Unit: bytes of address
/// space; memory is taken only as far as it is used.
const STACK_BYTES: usize = 256 << 20;

/// A thread that works on one thing. When nobody waits for it any more, the work is dropped where it
/// next pauses, and the thread ends.
pub(super) struct OwnThread(
    #[expect(dead_code, reason = "its end is what it says")] oneshot::Sender<()>,
);

impl OwnThread {
    pub(super) fn start(work: impl Future<Output = ()> + Send + 'static) -> Result<Self, SqlError> {
        let failed = |error: std::io::Error| {
            SqlError::new("53000", format!("no thread for the statement: {error}"))
        };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (sender, dropped) = oneshot::channel::<()>();
        std::thread::Builder::new()
            .name("history-sql".into())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        biased;
                        _ = dropped => {}
                        () = work => {}
                    }
                });
                runtime.shutdown_background();
            })
            .map_err(failed)?;
        Ok(Self(sender))
    }
}

/// Runs a future on a thread of its own and waits for it; a panic there is an error here.
pub(super) async fn on_own_thread<T: Send + 'static>(
    future: impl Future<Output = Result<T, SqlError>> + Send + 'static,
) -> Result<T, SqlError> {
    let (sender, receiver) = oneshot::channel();
    let _work = OwnThread::start(async move {
        let _gone = sender.send(future.await);
    })?;
    receiver.await.unwrap_or_else(|_| Err(broken()))
}
