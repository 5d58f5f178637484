//! One connection: the loop between its socket, its session and the front desk.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use forebay_broker::ClientInfo;
use forebay_kit::model::Principal;
use forebay_kit::{Bytes, BytesMut, ConnectionInfo, Input, Instant, Meter, Output, Session};
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;

use crate::deadlines::{Deadlines, is_due};
use crate::distinguished_name::subject;
use crate::end::{End, guarded};
use crate::limits::{Limits, READS_PER_TURN_MAX};
use crate::mailbox::Order;
use crate::memory::Memory;
use crate::meter::DeskMeter;
use crate::metrics::Pause;
use crate::outgoing::Outgoing;
use crate::seat::Seat;
use crate::shared::Client;
use crate::stream::Stream;
use crate::timer::Timer;
use crate::worker::Local;

/// Serves one client to its end.
pub(crate) async fn serve(worker: Rc<Local>, client: Client) {
    // Given back last: a connection counts until its descriptor is free.
    let Client { permit: _permit, socket, peer, local, spoken, at } = client;
    let socket = match TcpStream::from_std(socket) {
        Ok(socket) => Stream::new(socket, at.tls.as_deref()),
        Err(why) => return tracing::debug!(%peer, error = %why, "the client left before it was served"),
    };
    let shared = &worker.shared;
    let mut seat = Seat::take(&worker, spoken);
    let id = seat.id;
    let session = guarded(|| {
        seat.open_desk(ClientInfo { protocol: spoken.protocol.name(), peer, local });
        let meter: Arc<dyn Meter> = Arc::new(DeskMeter(shared.desk.meter(id)));
        let session = spoken.protocol.open(ConnectionInfo {
            peer,
            frame_bytes_max: shared.limits.frame_bytes_max,
            requests_open_max: shared.limits.requests_open_max,
            memory: Arc::clone(&shared.sessions),
            meter: Arc::clone(&meter),
            login: at.login.clone(),
            is_encrypted: at.tls.is_some(),
        });
        (session, meter)
    });
    match session {
        Ok((session, meter)) => {
            let mut connection = Connection::new(seat, socket, session, meter);
            // Who logs in is whoever they log in as.
            connection.is_introduced = at.tls.is_none() || at.login.is_some();
            let end = poll_fn(|cx| connection.poll_turn(cx)).await;
            shared.ended(id, spoken, peer, &end);
            connection.close(&end).await;
        }
        Err(end) => shared.ended(id, spoken, peer, &end),
    }
}

struct Connection {
    stream: Stream,
    session: Box<dyn Session>,
    /// The front desk knows whom the client's certificate is about, or nobody asks.
    is_introduced: bool,
    /// Bytes that were read and not yet handed to the session.
    unhandled: Option<Bytes>,
    /// The session has nothing more to say about its last input.
    is_quiet: bool,
    /// The session got something to do since it was charged last.
    has_worked: bool,
    /// Bytes that the session took since its last word: at most a frame that is not complete.
    swallowed: usize,
    outgoing: Outgoing,
    /// When the client was told something last.
    wrote_at: Option<Instant>,
    /// Set when the connection ends as soon as everything is written.
    ending: Option<End>,
    told_shutdown: bool,
    paused: Option<Pause>,
    deadlines: Deadlines,
    timer: Timer,
    memory: Memory,
    meter: Arc<dyn Meter>,
    seat: Seat,
}

impl Connection {
    fn new(seat: Seat, stream: Stream, session: Box<dyn Session>, meter: Arc<dyn Meter>) -> Connection {
        let shared = seat.shared();
        Connection {
            stream,
            session,
            is_introduced: true,
            unhandled: None,
            is_quiet: false,
            has_worked: false,
            swallowed: 0,
            outgoing: Outgoing::default(),
            wrote_at: None,
            ending: None,
            told_shutdown: false,
            paused: None,
            deadlines: Deadlines::new(shared.now(), &shared.limits),
            timer: Timer::new(),
            memory: Memory::new(shared, seat.id),
            meter,
            seat,
        }
    }

    fn limits(&self) -> &Limits {
        &self.seat.shared().limits
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.seat.mailbox.register(cx);
        match guarded(|| self.turn(cx)) {
            Ok(Ok(())) => Poll::Pending,
            Ok(Err(end)) | Err(end) => Poll::Ready(end),
        }
    }

    /// Does all that can be done now. `Ok` when it waits and will be woken.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        let mut reads = 0;
        loop {
            let now = self.seat.shared().now();
            if self.seat.mailbox.order() == Order::Stop {
                return Err(self.end_with(End::Cut));
            }
            let metered = self.meter.is_timed();
            self.drive_and_write(now, cx)?;
            if metered {
                self.charge(now);
            }
            self.end_if_done()?;
            if self.may_read(now, cx) {
                if reads == READS_PER_TURN_MAX {
                    // The others of this thread first.
                    cx.waker().wake_by_ref();
                    return Ok(());
                }
                reads += 1;
                if self.read(now, cx)?.is_ready() {
                    continue;
                }
            }
            if self.wait(now, cx)?.is_pending() {
                return Ok(());
            }
        }
    }

    /// Everything that the waiting inputs lead to leaves in one write, unless it is more than the backlog may hold.
    fn drive_and_write(&mut self, now: Instant, cx: &mut Context<'_>) -> Result<(), End> {
        loop {
            self.drive(now)?;
            self.write(now, cx)?;
            if self.is_quiet || !self.has_room() {
                self.memory.hold(self.swallowed, self.outgoing.bytes());
                return Ok(());
            }
        }
    }

    /// Tells the session that this thread has worked for it since `begun`; it may ask to be woken.
    fn charge(&mut self, begun: Instant) {
        if !std::mem::take(&mut self.has_worked) {
            return;
        }
        let now = self.seat.shared().now();
        self.session.charge(now, Duration::from_nanos(now.0.saturating_sub(begun.0)));
        self.is_quiet = false;
        self.carry_out();
    }

    /// Hands the session what waits for it, one input at a time, and carries out what it says to each.
    fn drive(&mut self, now: Instant) -> Result<(), End> {
        loop {
            self.carry_out();
            if self.swallowed > self.limits().input_bytes_max {
                return Err(self.end_with(End::InputTooLarge));
            }
            if !self.is_quiet || self.ending.is_some() {
                return Ok(());
            }
            let Some(input) = self.next_input(now) else { return Ok(()) };
            (self.is_quiet, self.has_worked) = (false, true);
            if let Err(error) = self.session.handle(now, input) {
                // What the session still has to say is said before the connection closes.
                self.ending = Some(error.into());
            }
        }
    }

    fn next_input(&mut self, now: Instant) -> Option<Input> {
        if self.seat.mailbox.order() == Order::Drain && !self.told_shutdown {
            self.told_shutdown = true;
            return Some(Input::Shutdown);
        }
        if let Some((token, reply)) = self.seat.mailbox.take() {
            self.touch(now);
            return Some(Input::Reply(token, reply));
        }
        if is_due(self.deadlines.wake, now) {
            self.deadlines.wake = None;
            return Some(Input::Timeout);
        }
        let bytes = self.unhandled.take()?;
        self.swallowed += bytes.len();
        Some(Input::Bytes(bytes))
    }

    /// Polls the session until it is quiet or its client has enough to read.
    fn carry_out(&mut self) {
        while !self.is_quiet && self.has_room() {
            match self.session.poll() {
                None => self.is_quiet = true,
                Some(Output::Bytes(bytes)) => {
                    self.has_spoken();
                    self.outgoing.push(bytes);
                }
                Some(Output::Call(token, request)) => {
                    self.has_spoken();
                    let shared = self.seat.shared();
                    shared.metrics.calls.increment();
                    shared.desk.call(self.seat.id, token.0, request);
                }
                Some(Output::WakeAt(at)) => self.deadlines.wake = Some(at),
                Some(Output::Close(reason)) => {
                    self.ending.get_or_insert(reason.into());
                    self.is_quiet = true;
                }
            }
        }
    }

    /// The session has understood a frame, or more.
    fn has_spoken(&mut self) {
        self.swallowed = 0;
        if self.deadlines.handshake.is_some() && self.session.is_known() {
            self.deadlines.handshake = None;
        }
    }

    fn write(&mut self, now: Instant, cx: &mut Context<'_>) -> Result<(), End> {
        while !self.outgoing.is_empty() {
            match self.outgoing.poll_write(&mut self.stream, cx) {
                Poll::Ready(Ok(bytes)) => {
                    self.seat.shared().metrics.writes.increment();
                    self.seat.counts().bytes_out.add(bytes as u64);
                    self.deadlines.stall = None;
                    self.wrote_at = Some(now);
                    self.touch(now);
                }
                Poll::Ready(Err(why)) => return Err(self.end_with(End::PeerReset(why))),
                Poll::Pending => {
                    let stalled_at = now + self.limits().write_stall_max;
                    self.deadlines.stall.get_or_insert(stalled_at);
                    return Ok(());
                }
            }
        }
        self.push(now, cx)
    }

    /// Hands the socket what encryption holds back.
    fn push(&mut self, now: Instant, cx: &mut Context<'_>) -> Result<(), End> {
        if self.stream.holds_back() {
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(why)) => return Err(self.end_with(End::PeerReset(why))),
                Poll::Pending => {
                    let stalled_at = now + self.limits().write_stall_max;
                    self.deadlines.stall.get_or_insert(stalled_at);
                    return Ok(());
                }
            }
        }
        self.deadlines.stall = None;
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.outgoing.bytes() < self.limits().write_backlog_bytes_max
    }

    fn end_if_done(&mut self) -> Result<(), End> {
        if !self.is_quiet || !self.outgoing.is_empty() || self.stream.holds_back() {
            return Ok(());
        }
        match self.ending.take() {
            Some(end) => Err(end),
            None if self.told_shutdown && self.session.is_idle() => Err(End::Drained),
            None => Ok(()),
        }
    }

    /// The first reason for ending is the one that is told.
    fn end_with(&mut self, end: End) -> End {
        self.ending.take().unwrap_or(end)
    }

    fn may_read(&mut self, now: Instant, cx: &mut Context<'_>) -> bool {
        if self.ending.is_some() {
            return false;
        }
        let pause = if !self.is_quiet || !self.has_room() {
            Some(Pause::Backlog)
        } else if !self.session.wants_bytes() {
            Some(Pause::Requests)
        } else if self.memory.poll_may_read(self.swallowed > 0, now, cx).is_pending() {
            Some(Pause::Memory)
        } else {
            None
        };
        if let Some(why) = pause.filter(|_| pause != self.paused) {
            self.seat.shared().metrics.count_pause(why);
        }
        self.paused = pause;
        pause.is_none()
    }

    fn read(&mut self, now: Instant, cx: &mut Context<'_>) -> Result<Poll<()>, End> {
        match self.poll_read(cx) {
            Poll::Pending => Ok(Poll::Pending),
            Poll::Ready(Ok(bytes)) if bytes.is_empty() => Err(End::PeerClosed),
            Poll::Ready(Err(why)) => Err(End::PeerReset(why)),
            Poll::Ready(Ok(bytes)) => {
                self.seat.shared().metrics.reads.increment();
                self.seat.counts().bytes_in.add(bytes.len() as u64);
                self.touch(now);
                if !self.is_introduced {
                    self.introduce()?;
                }
                self.unhandled = Some(bytes);
                Ok(Poll::Ready(()))
            }
        }
    }

    /// Tells the front desk who the client's certificate says that it is. Called with the first bytes, behind which nobody has asked
    /// for anything yet.
    fn introduce(&mut self) -> Result<(), End> {
        self.is_introduced = true;
        let Some(certificate) = self.stream.certificate() else { return Ok(()) };
        let principal = subject(certificate).and_then(|name| Principal::user(&name).ok());
        let Some(principal) = principal else {
            let why = "the subject of its certificate is no name of a user";
            return Err(self.end_with(End::Misbehaved(why.into())));
        };
        self.seat.shared().desk.identify(self.seat.id, principal);
        Ok(())
    }

    /// Reads once; no bytes mean that the client has closed.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let read_bytes_max = self.limits().read_bytes_max;
        let mut scratch = self.seat.worker.scratch.borrow_mut();
        if scratch.capacity() < read_bytes_max.div_ceil(2) {
            scratch.reserve(read_bytes_max);
        }
        let length = ready!(pin!(self.stream.read_buf(&mut *scratch)).poll(cx))?;
        Poll::Ready(Ok(take_read(&mut scratch, length, read_bytes_max)))
    }

    /// Ready when a deadline may have come; else something will wake the task.
    fn wait(&mut self, now: Instant, cx: &mut Context<'_>) -> Result<Poll<()>, End> {
        if self.paused == Some(Pause::Memory) {
            let shared = self.seat.shared();
            self.deadlines.postpone(now, &shared.limits);
        }
        let overdraft = self.memory.overdraft_until();
        let first = overdraft.map_or(self.deadlines.next(), |until| until.min(self.deadlines.next()));
        if self.timer.poll(now, first, cx).is_pending() {
            return Ok(Poll::Pending);
        }
        let now = self.seat.shared().now();
        if is_due(self.deadlines.stall, now) {
            return Err(self.end_with(End::WriteStalled));
        }
        if is_due(overdraft, now) {
            return Err(self.end_with(End::Overdraft));
        }
        if is_due(self.deadlines.handshake, now) {
            return Err(self.end_with(End::Handshake));
        }
        if is_due(Some(self.deadlines.idle), now) {
            if self.swallowed > 0 || self.session.is_idle() {
                return Err(self.end_with(End::Idle));
            }
            // It waits for us, not we for it.
            self.touch(now);
        }
        Ok(Poll::Ready(()))
    }

    fn touch(&mut self, now: Instant) {
        self.deadlines.idle = now + self.limits().idle_max;
    }

    /// Leaves the front desk, says goodbye to the client, and gives everything back.
    async fn close(mut self, end: &End) {
        self.seat.leave();
        self.outgoing = Outgoing::default();
        self.memory.hold(0, 0);
        // What was written long ago was read long ago; a client that was told nothing loses nothing.
        let until = self.wrote_at.map(|at| at + self.limits().linger_max);
        if end.lingers()
            && let Some(until) = until.filter(|until| self.seat.shared().now() < *until)
        {
            let mut has_closed = false;
            poll_fn(|cx| self.poll_linger(until, &mut has_closed, cx)).await;
        }
    }

    /// Closes our side. Ready when the client has closed too, or has had its time.
    fn poll_linger(&mut self, until: Instant, has_closed: &mut bool, cx: &mut Context<'_>) -> Poll<()> {
        self.seat.mailbox.register(cx);
        loop {
            let now = self.seat.shared().now();
            if self.seat.mailbox.order() == Order::Stop || is_due(Some(until), now) {
                return Poll::Ready(());
            }
            if !*has_closed {
                // Behind encryption there is a last word, which waits for a client that reads.
                match Pin::new(&mut self.stream).poll_shutdown(cx) {
                    Poll::Ready(Ok(())) => *has_closed = true,
                    // The client is gone, which is what is waited for.
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending => {
                        ready!(self.timer.poll(now, until, cx));
                        continue;
                    }
                }
            }
            match self.poll_read(cx) {
                Poll::Ready(Ok(bytes)) if !bytes.is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
                // The timer may still be armed for an earlier deadline of the connection's life: then it fires once
                // too early, and the loop looks again.
                Poll::Pending => ready!(self.timer.poll(now, until, cx)),
            }
        }
    }
}

/// Takes what was just read out of the scratch buffer. A small piece is copied, so that it does not keep the whole
/// buffer alive for as long as somebody holds it; a large one takes its part of the buffer with it.
fn take_read(scratch: &mut BytesMut, length: usize, read_bytes_max: usize) -> Bytes {
    if length < read_bytes_max / 4 {
        let bytes = Bytes::copy_from_slice(&scratch[..length]);
        scratch.clear();
        bytes
    } else {
        scratch.split_to(length).freeze()
    }
}
