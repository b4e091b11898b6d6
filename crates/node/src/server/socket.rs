//! A client's connection: bounded in what it may keep the node waiting.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::http::Place;

/// A connection that does not read from a client that does not read: requests whose answers nobody takes would pile up. If for
/// `patience` it takes nothing of what waits for it, or if it is cut off, reading and writing fail.
pub(super) struct Socket {
    stream: TcpStream,
    patience: Duration,
    /// Two, since reading and writing may be two tasks and each future wakes one.
    cut: [Pin<Box<WaitForCancellationFutureOwned>>; 2],
    /// Set while what is written waits.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Who waits to read.
    reader: Option<Waker>,
    /// Whether the last that was asked for was read: then others first do what it makes them do, answers among them, or a
    /// client that asks without end would be read faster than it is answered.
    rest: bool,
    dead: bool,
    /// Given back when the connection is gone, and not before.
    _place: Place,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, cut: &CancellationToken, patience: Duration, place: Place) -> Self {
        Self {
            stream,
            patience,
            cut: [(); 2].map(|()| Box::pin(cut.clone().cancelled_owned())),
            deadline: None,
            reader: None,
            rest: false,
            dead: false,
            _place: place,
        }
    }

    /// Fails once the connection shall end, as one that `side` (0: reads, 1: writes) is told of.
    fn check(&mut self, side: usize, context: &mut Context<'_>) -> io::Result<()> {
        if self.dead || self.cut[side].as_mut().poll(context).is_ready() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    /// Whether the client is too slow, if something waits for it.
    fn is_late(&mut self, context: &mut Context<'_>) -> bool {
        let late = self.deadline.as_mut().map(|deadline| deadline.as_mut().poll(context));
        self.dead |= late.is_some_and(|late| late.is_ready());
        self.dead
    }

    fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(0, context)?;
        if std::mem::take(&mut self.rest) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let read = if self.deadline.is_none() {
            Pin::new(&mut self.stream).poll_read(context, out)
        } else if self.is_late(context) {
            Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
        } else {
            Poll::Pending
        };
        self.rest = read.is_ready();
        if read.is_pending() {
            self.reader = Some(context.waker().clone());
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check(1, context)?;
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if written.is_ready() {
            if self.deadline.take().is_some() {
                self.wake_reader();
            }
            return written;
        }
        let until = Instant::now() + self.patience;
        self.deadline.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if self.is_late(context) {
            self.wake_reader();
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
