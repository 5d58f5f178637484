//! One TCP connection to a broker: frames, correlation ids, versions.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use forebay_kafka::wire::cursor::Cursor;
use forebay_kafka::wire::frame::Framing;
use forebay_kafka::wire::messages::{
    ApiVersionsRequest, ApiVersionsResponse, SaslAuthenticateRequest, SaslHandshakeRequest,
};
use forebay_kafka::wire::{ApiKey, ErrorCode, Request, Response, Str};

use super::deadline::{Deadline, Interrupt, NAP};
use super::error::ClientError;
use super::login::{Exchange, NONCE_BYTES};
use super::security::{Credentials, Security};
use super::stream::{Stream, tls_error};

/// Largest answer we take in, bytes. A fetch asks for far less; one huge batch still has to fit.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The same before we have logged in: nobody knows yet who is there.
const GREETING_BYTES_MAX: usize = 64 * 1024;

/// What one read asks the system for.
const READ_BYTES: usize = 64 * 1024;

/// How long the system may try to connect to one address.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// What we call ourselves.
const CLIENT_ID: Str = Str::from_static("forebay");

/// The newest version of an API that we write. Below the codec's newest where a later version changes what a request
/// says (names to ids, one group to several) and an older one says all we need.
fn version_max(api: ApiKey) -> i16 {
    let codec = api.api().decodes.end - 1;
    match api {
        ApiKey::Produce | ApiKey::Fetch => 12,
        ApiKey::DeleteTopics => 5,
        ApiKey::OffsetCommit => 9,
        ApiKey::OffsetFetch => 7,
        ApiKey::FindCoordinator => 3,
        _ => codec,
    }
}

/// A connection that knows what its broker speaks.
#[derive(Debug)]
pub struct Connection {
    address: String,
    stream: Stream,
    received: BytesMut,
    /// Largest answer that is taken in, bytes.
    answer_bytes_max: usize,
    next_correlation: i32,
    interrupt: Interrupt,
    /// (API, first version, last version), as the broker said.
    versions: Vec<(i16, i16, i16)>,
}

/// A request on its way: what its answer will look like.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    correlation: i32,
    version: i16,
}

impl Connection {
    /// Connects, asks the broker which versions it speaks, and logs in where that is wanted.
    ///
    /// # Errors
    /// [`ClientError::CannotConnect`], [`ClientError::Untrusted`], and what can go wrong with the questions.
    pub fn open(
        address: &str,
        security: &Security,
        deadline: Deadline,
        interrupt: Interrupt,
    ) -> Result<Connection, ClientError> {
        let stream = connect(address, deadline)?;
        let stream = match &security.tls {
            None => Stream::Plain(stream),
            Some(config) => {
                let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
                Stream::encrypted(stream, config.clone(), host)
                    .map_err(|why| ClientError::Untrusted { address: address.into(), why })?
            }
        };
        let mut connection = Connection {
            address: address.into(),
            stream,
            received: BytesMut::new(),
            answer_bytes_max: GREETING_BYTES_MAX,
            next_correlation: 0,
            interrupt,
            versions: Vec::new(),
        };
        connection.greet(deadline)?;
        if let Some(credentials) = &security.credentials {
            connection.log_in(credentials, deadline)?;
        }
        connection.answer_bytes_max = ANSWER_BYTES_MAX;
        Ok(connection)
    }

    /// The bare stream, for somebody who does the rest alone. Nothing is on its way in either direction.
    ///
    /// # Errors
    /// [`ClientError::Invalid`]: it is encrypted.
    pub fn into_stream(self) -> Result<TcpStream, ClientError> {
        debug_assert!(self.received.is_empty(), "every answer was taken");
        match self.stream {
            Stream::Plain(stream) => Ok(stream),
            Stream::Tls(_) => {
                Err(ClientError::Invalid("this is done over unencrypted connections only".into()))
            }
        }
    }

    /// From now on, nobody's wish to stop ends a call: for the last words before we go.
    pub fn ignore_interrupt(&mut self) {
        self.interrupt = Interrupt::default();
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// Anything but [`ClientError::Refused`]. The connection is useless afterwards, unless no version was in common.
    pub fn call<R: Request>(&mut self, request: &R, deadline: Deadline) -> Result<R::Response, ClientError> {
        let sent = self.send(request, deadline)?;
        self.receive::<R>(sent, deadline)
    }

    /// Asks.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn send<R: Request>(&mut self, request: &R, deadline: Deadline) -> Result<Sent, ClientError> {
        let version = self.version(R::API)?;
        self.send_as(request, version, deadline)
    }

    /// Waits for the answer to the oldest request that was sent and not answered.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn receive<R: Request>(
        &mut self,
        sent: Sent,
        deadline: Deadline,
    ) -> Result<R::Response, ClientError> {
        let frame = self.receive_frame(R::API, deadline)?;
        let (correlation, response) = R::Response::read(&mut Cursor::new(&frame), sent.version)
            .map_err(|why| self.garbled(format!("{} version {}: {why}", R::API.name(), sent.version)))?;
        self.check_correlation(correlation, sent.correlation)?;
        Ok(response)
    }

    /// The version both sides speak.
    ///
    /// # Errors
    /// [`ClientError::NoCommonVersion`].
    pub fn version(&self, api: ApiKey) -> Result<i16, ClientError> {
        let spoken = self.versions.iter().find(|(key, _, _)| *key == api.number());
        let common = spoken.and_then(|(_, first, last)| {
            let version = version_max(api).min(*last);
            (version >= *first && api.version(version).is_some()).then_some(version)
        });
        common.ok_or_else(|| ClientError::NoCommonVersion { api, address: self.address.clone() })
    }

    /// ApiVersions comes before anything is known, so it starts at our newest version. A broker that does not know it
    /// answers in version 0, with an error and all that we need.
    fn greet(&mut self, deadline: Deadline) -> Result<(), ClientError> {
        let request = ApiVersionsRequest {
            client_software_name: CLIENT_ID,
            client_software_version: Str::from_static(env!("CARGO_PKG_VERSION")),
        };
        let version = version_max(ApiKey::ApiVersions);
        let sent = self.send_as(&request, version, deadline)?;
        let frame = self.receive_frame(ApiKey::ApiVersions, deadline)?;
        let (correlation, response) = read_greeting(&frame, version).map_err(|why| self.garbled(why))?;
        self.check_correlation(correlation, sent.correlation)?;
        if !matches!(response.error_code, ErrorCode::None | ErrorCode::UnsupportedVersion) {
            ClientError::check(format!("greeting {}", self.address), response.error_code, None)?;
        }
        self.versions = response.api_keys.iter().map(|k| (k.api_key, k.min_version, k.max_version)).collect();
        if self.versions.is_empty() {
            return Err(ClientError::NoCommonVersion {
                api: ApiKey::ApiVersions,
                address: self.address.clone(),
            });
        }
        Ok(())
    }

    fn log_in(&mut self, credentials: &Credentials, deadline: Deadline) -> Result<(), ClientError> {
        let Credentials { mechanism, user, .. } = credentials;
        let doing = format!("logging in to {} as {user}", self.address);
        // Version 0 goes on with bare tokens instead of requests.
        if self.version(ApiKey::SaslHandshake)? < 1 {
            return Err(ClientError::NoCommonVersion {
                api: ApiKey::SaslHandshake,
                address: self.address.clone(),
            });
        }
        let handshake = SaslHandshakeRequest { mechanism: Str::from_static(mechanism.name()) };
        let taken = self.call(&handshake, deadline)?;
        let known: Vec<&str> = taken.mechanisms.iter().map(Str::as_str).collect();
        ClientError::check(
            &*doing,
            taken.error_code,
            Some(&format!("it takes {}", known.join(", ").escape_debug())),
        )?;
        let mut random = [0; NONCE_BYTES];
        getrandom::fill(&mut random).map_err(|why| ClientError::Invalid(format!("random numbers: {why}")))?;
        let (mut exchange, mut said) = Exchange::begin(credentials, random);
        loop {
            let step = SaslAuthenticateRequest { auth_bytes: Bytes::from(said).into() };
            let answer = self.call(&step, deadline)?;
            let why = answer.error_message.as_ref().map(|why| why.as_str().escape_debug().to_string());
            ClientError::check(&*doing, answer.error_code, why.as_deref())?;
            match exchange.answer(answer.auth_bytes.as_bytes()) {
                Ok(Some(next)) => said = next,
                Ok(None) => return Ok(()),
                Err(why) => {
                    let why = format!("its part of the login is nonsense: {why}");
                    return Err(ClientError::Untrusted { address: self.address.clone(), why });
                }
            }
        }
    }

    fn send_as<R: Request>(
        &mut self,
        request: &R,
        version: i16,
        deadline: Deadline,
    ) -> Result<Sent, ClientError> {
        let correlation = self.next_correlation;
        self.next_correlation = self.next_correlation.wrapping_add(1);
        let frame = request
            .to_frame(version, correlation, Some(CLIENT_ID))
            .map_err(|why| ClientError::Invalid(format!("{} cannot be asked: {why}", R::API.name())))?;
        for chunk in frame.chunks() {
            self.write(chunk, R::API, deadline)?;
        }
        // What is encrypted may lie there still.
        while let Err(why) = self.stream.flush() {
            match is_nap_over(&why) {
                true => self.may_wait_on(R::API, deadline)?,
                false => return Err(self.failed(&why)),
            }
        }
        Ok(Sent { correlation, version })
    }

    fn write(&mut self, mut rest: &[u8], api: ApiKey, deadline: Deadline) -> Result<(), ClientError> {
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(0) => return Err(self.lost("it was closed")),
                Ok(written) => rest = &rest[written..],
                Err(why) if is_nap_over(&why) => self.may_wait_on(api, deadline)?,
                Err(why) => return Err(self.failed(&why)),
            }
        }
        Ok(())
    }

    fn receive_frame(&mut self, api: ApiKey, deadline: Deadline) -> Result<Bytes, ClientError> {
        let framing = Framing::with_max(self.answer_bytes_max);
        loop {
            if let Some(frame) =
                framing.next(&mut self.received).map_err(|why| self.garbled(why.to_string()))?
            {
                return Ok(frame);
            }
            self.read(api, deadline)?;
        }
    }

    fn read(&mut self, api: ApiKey, deadline: Deadline) -> Result<(), ClientError> {
        let filled = self.received.len();
        self.received.resize(filled + READ_BYTES, 0);
        let read = self.stream.read(&mut self.received[filled..]);
        self.received.truncate(filled + read.as_ref().copied().unwrap_or(0));
        match read {
            Ok(0) => Err(self.lost("it was closed by the broker")),
            Ok(_) => Ok(()),
            Err(why) if is_nap_over(&why) => self.may_wait_on(api, deadline),
            Err(why) => Err(self.failed(&why)),
        }
    }

    fn may_wait_on(&self, api: ApiKey, deadline: Deadline) -> Result<(), ClientError> {
        self.interrupt.check()?;
        match deadline.left() {
            Some(_) => Ok(()),
            None => {
                let doing = format!("waiting for {} to answer {}", self.address, api.name());
                Err(ClientError::TimedOut { doing, last: None })
            }
        }
    }

    fn check_correlation(&self, answered: i32, asked: i32) -> Result<(), ClientError> {
        if answered == asked {
            return Ok(());
        }
        Err(self.garbled(format!("it answers request {answered}, and {asked} is next")))
    }

    fn failed(&self, why: &std::io::Error) -> ClientError {
        match tls_error(why) {
            Some(why) => ClientError::Untrusted { address: self.address.clone(), why: why.to_string() },
            None => self.lost(&why.to_string()),
        }
    }

    fn lost(&self, why: &str) -> ClientError {
        ClientError::Lost { address: self.address.clone(), why: why.into() }
    }

    fn garbled(&self, why: String) -> ClientError {
        ClientError::Garbled { address: self.address.clone(), why }
    }
}

/// Connects to the first of the name's addresses that takes us.
fn connect(address: &str, deadline: Deadline) -> Result<TcpStream, ClientError> {
    let failed = |why: String| ClientError::CannotConnect { address: address.into(), why };
    let found: Vec<_> = address.to_socket_addrs().map_err(|why| failed(why.to_string()))?.collect();
    let mut last = failed("the name has no address".into());
    for target in found {
        let patience = deadline.left().unwrap_or(Duration::from_millis(1)).min(CONNECT_PATIENCE);
        match TcpStream::connect_timeout(&target, patience).and_then(configured) {
            Ok(stream) => return Ok(stream),
            Err(why) => last = failed(why.to_string()),
        }
    }
    Err(last)
}

/// Reads and writes return after a nap, so that a wish to stop and a deadline are noticed.
fn configured(stream: TcpStream) -> std::io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(NAP))?;
    stream.set_write_timeout(Some(NAP))?;
    Ok(stream)
}

fn is_nap_over(why: &std::io::Error) -> bool {
    matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// Reads an answer to ApiVersions: in the version asked, or in version 0 with the error that says so.
fn read_greeting(frame: &Bytes, version: i16) -> Result<(i32, ApiVersionsResponse), String> {
    // The correlation id, then the error: the same place in every version.
    let error = frame.get(4..6).and_then(|bytes| bytes.first_chunk::<2>()).map(|b| i16::from_be_bytes(*b));
    let unsupported = error == Some(ErrorCode::UnsupportedVersion.number());
    let version = if unsupported { 0 } else { version };
    ApiVersionsResponse::read(&mut Cursor::new(frame), version).map_err(|why| format!("ApiVersions: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::scripted::Broker;
    use forebay_kafka::wire::messages::{HeartbeatRequest, HeartbeatResponse, api_versions::ApiVersion};

    fn patience() -> Deadline {
        Deadline::after(Duration::from_secs(20))
    }

    #[test]
    fn the_newest_version_both_speak_is_used() {
        let broker = Broker::start(|script| {
            script.versions(vec![(ApiKey::Heartbeat, 1, 2), (ApiKey::Produce, 90, 99)]);
            script.answer(ApiKey::Heartbeat, 2, &HeartbeatResponse::default());
        });
        let mut connection =
            Connection::open(&broker.address, &Security::default(), patience(), Interrupt::default())
                .unwrap();
        connection.call(&HeartbeatRequest::default(), patience()).unwrap();
        let none = connection.version(ApiKey::Produce).unwrap_err();
        assert!(none.to_string().contains("does not speak Produce in any version"), "{none}");
        assert!(connection.version(ApiKey::SyncGroup).is_err());
    }

    #[test]
    fn an_old_broker_answers_the_greeting_in_version_0() {
        let answer = ApiVersionsResponse {
            error_code: ErrorCode::UnsupportedVersion,
            api_keys: vec![ApiVersion { api_key: 0, min_version: 0, max_version: 3 }],
            ..ApiVersionsResponse::default()
        };
        let mut frame = BytesMut::from(&answer.to_frame(0, 7).unwrap().into_bytes()[..]);
        let frame = Framing::default().next(&mut frame).unwrap().unwrap();
        let (correlation, read) = read_greeting(&frame, 4).unwrap();
        assert_eq!(correlation, 7);
        assert_eq!(read.api_keys.len(), 1);
    }

    #[test]
    fn nobody_at_the_address_is_said_so() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let why =
            Connection::open(&free, &Security::default(), patience(), Interrupt::default()).unwrap_err();
        assert!(matches!(&why, ClientError::CannotConnect { address, .. } if *address == free), "{why}");
    }

    #[test]
    fn a_broker_that_hangs_up_loses_the_connection() {
        let broker = Broker::start(|script| {
            script.versions(vec![(ApiKey::Heartbeat, 0, 4)]);
        });
        let mut connection =
            Connection::open(&broker.address, &Security::default(), patience(), Interrupt::default())
                .unwrap();
        let why = connection.call(&HeartbeatRequest::default(), patience()).unwrap_err();
        assert!(matches!(why, ClientError::Lost { .. }), "{why}");
        assert!(why.is_retriable());
    }

    #[test]
    fn a_broker_that_is_silent_times_out_and_an_interrupt_ends_the_wait() {
        let broker = Broker::start(|script| {
            script.versions(vec![(ApiKey::Heartbeat, 0, 4)]);
            script.hold();
        });
        let interrupt = Interrupt::default();
        let mut connection =
            Connection::open(&broker.address, &Security::default(), patience(), interrupt.clone()).unwrap();
        let soon = Deadline::after(Duration::from_millis(1));
        let why = connection.call(&HeartbeatRequest::default(), soon).unwrap_err();
        assert!(matches!(why, ClientError::TimedOut { .. }), "{why}");
        interrupt.raise();
        let why = connection.call(&HeartbeatRequest::default(), patience()).unwrap_err();
        assert_eq!(why, ClientError::Interrupted);
    }

    #[test]
    fn an_answer_that_makes_no_sense_is_not_believed() {
        let broker = Broker::start(|script| {
            script.versions(vec![(ApiKey::Heartbeat, 0, 4)]);
            script.raw_answer(ApiKey::Heartbeat, b"\x7f\xff\xff\xff");
        });
        let mut connection =
            Connection::open(&broker.address, &Security::default(), patience(), Interrupt::default())
                .unwrap();
        let why = connection.call(&HeartbeatRequest::default(), patience()).unwrap_err();
        assert!(matches!(why, ClientError::Garbled { .. }), "{why}");
    }
}
