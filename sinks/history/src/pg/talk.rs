//! One conversation: message after message, until the client says goodbye, is not let in, or the
//! server ends while nothing of it runs.
//!
//! The loop is our own because the library's goes on after the door said no: whoever was refused
//! would be answered all the same.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use pgwire::api::{ClientInfo, ClientPortalStore, PgWireConnectionState, PgWireServerHandlers};
use pgwire::error::PgWireError;
use pgwire::messages::PgWireFrontendMessage;
use pgwire::tokio::server::{negotiate_tls, process_error, process_message};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_util::codec::{Framed, FramedParts};

use super::door::fatal;
use super::kept::Named;
use super::server::Guest;

/// How long a client may take until it is let in.
const STARTUP: Duration = Duration::from_secs(30);
/// The longest message of somebody who is not let in yet. Unit: bytes.
const MESSAGE_BYTES_STRANGER: usize = 16 << 10;
/// The longest message of somebody who is. Unit: bytes.
const MESSAGE_BYTES_GUEST: usize = 1 << 20;

/// How far the server's end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// It goes on.
    NotYet,
    /// Nothing new is taken, and what was taken is answered.
    Begun,
    /// What runs is broken off.
    Now,
}

/// Talks until the conversation ends.
pub(super) async fn talk(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    guest: &Guest,
    mut end: watch::Receiver<End>,
) -> io::Result<()> {
    let startup = tokio::time::sleep(STARTUP);
    tokio::pin!(startup);
    let negotiated = tokio::select! {
        negotiated = negotiate_tls(stream, tls) => negotiated?,
        () = &mut startup => return Ok(()),
        () = reached(&mut end, End::Begun) => return Ok(()),
    };
    let Some(negotiated) = negotiated else { return Ok(()) };
    // What came in clear text before the handshake is nobody's word: it may be put in by others.
    if negotiated.is_secure() && !negotiated.read_buffer().is_empty() {
        return Ok(());
    }
    let parts = negotiated.into_parts();
    let mut metered = FramedParts::new(Metered { inner: parts.io, left: 0 }, parts.codec);
    metered.read_buf = parts.read_buf;
    metered.write_buf = parts.write_buf;
    let mut socket = Framed::from_parts(metered);
    // Between the first message of an extended query and its end.
    let mut in_query = false;
    loop {
        let stranger = is_stranger(socket.state());
        socket.get_mut().left = if stranger { MESSAGE_BYTES_STRANGER } else { MESSAGE_BYTES_GUEST };
        let message = tokio::select! {
            biased;
            message = socket.next() => message,
            () = &mut startup, if stranger => return Ok(()),
            () = reached(&mut end, if in_query { End::Now } else { End::Begun }) => {
                return process_error(&mut socket, ending(), false).await;
            }
        };
        let message = match message {
            None | Some(Ok(PgWireFrontendMessage::Terminate(_))) => return Ok(()),
            Some(Ok(message)) => message,
            Some(Err(error)) => return process_error(&mut socket, told(error), false).await,
        };
        if stranger && !is_of_startup(&message) {
            let error = fatal("08P01", "expected a password, and nothing else before it");
            return process_error(&mut socket, error, false).await;
        }
        let extended = message.is_extended_query();
        in_query = extended && !matches!(message, PgWireFrontendMessage::Sync(_));
        let named = Named::of(&message);
        if let Err(error) = guest.handler.room_for(named.as_ref()) {
            return process_error(&mut socket, error, false).await;
        }
        let cancels = matches!(message, PgWireFrontendMessage::CancelRequest(_));
        let process = process_message(
            message,
            &mut socket,
            guest.startup_handler(),
            guest.simple_query_handler(),
            guest.extended_query_handler(),
            guest.copy_handler(),
            guest.cancel_handler(),
        );
        let processed = tokio::select! {
            biased;
            processed = process => processed,
            () = reached(&mut end, End::Now) => {
                return process_error(&mut socket, ending(), false).await;
            }
        };
        if let Some(named) = named {
            guest.handler.follow(named, socket.portal_store(), processed.is_ok());
        }
        if let Err(error) = processed {
            process_error(&mut socket, error, extended).await?;
            // Whoever is not let in is not listened to any more.
            if stranger {
                return Ok(());
            }
        }
        if cancels {
            return Ok(());
        }
    }
}

async fn reached(end: &mut watch::Receiver<End>, wanted: End) {
    // Nobody there any more to set it means the same.
    drop(end.wait_for(|end| *end >= wanted).await);
}

const fn is_stranger(state: PgWireConnectionState) -> bool {
    matches!(
        state,
        PgWireConnectionState::AwaitingSslRequest
            | PgWireConnectionState::AwaitingStartup
            | PgWireConnectionState::AuthenticationInProgress
    )
}

fn ending() -> PgWireError {
    fatal("57P01", "terminating connection: the history ends")
}

/// Whether a message is one that somebody sends who is not let in yet.
const fn is_of_startup(message: &PgWireFrontendMessage) -> bool {
    matches!(
        message,
        PgWireFrontendMessage::SslNegotiation(_)
            | PgWireFrontendMessage::Startup(_)
            | PgWireFrontendMessage::CancelRequest(_)
            | PgWireFrontendMessage::PasswordMessageFamily(_)
    )
}

/// What could not be read is told in the protocol's words where it was our bound.
fn told(error: PgWireError) -> PgWireError {
    match error {
        PgWireError::IoError(error) if error.kind() == io::ErrorKind::InvalidData => {
            fatal("08P01", &error.to_string())
        }
        other => other,
    }
}

/// A stream of which only so much is read for one message.
struct Metered<S> {
    inner: S,
    left: usize,
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left == 0 {
            let error = io::Error::new(io::ErrorKind::InvalidData, "the message is too long");
            return Poll::Ready(Err(error));
        }
        let room = self.left.min(buffer.remaining());
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(room));
        let polled = Pin::new(&mut self.inner).poll_read(context, &mut part);
        let read = part.filled().len();
        buffer.advance(read);
        self.left -= read;
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
