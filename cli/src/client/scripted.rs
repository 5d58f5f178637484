//! A broker that answers what a test tells it to, in order, over a real socket.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use bytes::{Bytes, BytesMut};
use forebay_kafka::wire::cursor::Cursor;
use forebay_kafka::wire::frame::Framing;
use forebay_kafka::wire::messages::api_versions::ApiVersion;
use forebay_kafka::wire::messages::metadata::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use forebay_kafka::wire::messages::{ApiVersionsResponse, MetadataResponse};
use forebay_kafka::wire::{AnyRequest, ApiKey, RequestHeader, Response, Str};

use super::{Cluster, ClusterOptions, Interrupt, Security};

/// A listening socket, and what it was asked.
pub struct Broker {
    /// `HOST:PORT`.
    pub address: String,
    asked: mpsc::Receiver<AnyRequest>,
    /// Dropped with the broker: a script that holds on lets go.
    _release: mpsc::SyncSender<()>,
}

/// The broker's side of one connection.
pub struct Script {
    stream: TcpStream,
    received: BytesMut,
    asked: mpsc::SyncSender<AnyRequest>,
    held: mpsc::Receiver<()>,
    /// The broker's own address, for metadata.
    pub address: (String, i32),
}

/// Long enough never to be what a test is about.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// Requests a script can remember.
const ASKED_MAX: usize = 1000;

impl Broker {
    /// Takes one connection and plays the script on it.
    pub fn start(play: impl FnOnce(&mut Script) + Send + 'static) -> Broker {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, received_by_test) = mpsc::sync_channel(ASKED_MAX);
        let (release, held) = mpsc::sync_channel(1);
        thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let own = (address.ip().to_string(), i32::from(address.port()));
            play(&mut Script { stream, received: BytesMut::new(), asked, held, address: own });
        });
        Broker { address: address.to_string(), asked: received_by_test, _release: release }
    }

    /// A cluster that begins with this broker.
    pub fn cluster(&self) -> Cluster {
        Cluster::connect(self.options()).unwrap()
    }

    /// How to begin with this broker.
    pub fn options(&self) -> ClusterOptions {
        ClusterOptions {
            bootstrap: vec![self.address.clone()],
            security: Security::default(),
            patience: PATIENCE,
            interrupt: Interrupt::default(),
        }
    }

    /// The next request that was answered (ApiVersions apart).
    pub fn next_asked(&self) -> AnyRequest {
        self.asked.recv_timeout(PATIENCE).expect("the script was asked")
    }
}

impl Script {
    /// Answers the greeting with these (API, first version, last version).
    pub fn versions(&mut self, spoken: Vec<(ApiKey, i16, i16)>) {
        let (header, _) = self.request();
        assert_eq!(header.api, ApiKey::ApiVersions);
        let row = |(api, min_version, max_version): (ApiKey, i16, i16)| ApiVersion {
            api_key: api.number(),
            min_version,
            max_version,
        };
        let answer = ApiVersionsResponse {
            api_keys: spoken.into_iter().map(row).collect(),
            ..ApiVersionsResponse::default()
        };
        self.write(&answer.to_frame(header.api_version, header.correlation_id).unwrap().into_bytes());
    }

    /// Answers the next request, which must be of this API and version, and shows it to the test.
    pub fn answer<R: Response>(&mut self, api: ApiKey, version: i16, answer: &R) {
        let (header, body) = self.request();
        assert_eq!((header.api, header.api_version), (api, version));
        self.asked.send(body).unwrap();
        self.write(&answer.to_frame(version, header.correlation_id).unwrap().into_bytes());
    }

    /// Metadata of a cluster of one, node 1, with a topic `t` of so many partitions, all led by it.
    pub fn metadata(&self, partitions: i32) -> MetadataResponse {
        let (host, port) = self.address.clone();
        let partition = |partition_index| MetadataResponsePartition {
            partition_index,
            leader_id: 1,
            ..MetadataResponsePartition::default()
        };
        MetadataResponse {
            brokers: vec![MetadataResponseBroker {
                node_id: 1,
                host: Str::from(host),
                port,
                ..Default::default()
            }],
            topics: vec![MetadataResponseTopic {
                name: Some(Str::from("t")),
                partitions: (0..partitions).map(partition).collect(),
                ..MetadataResponseTopic::default()
            }],
            ..MetadataResponse::default()
        }
    }

    /// Answers the next request with these bytes.
    pub fn raw_answer(&mut self, api: ApiKey, answer: &[u8]) {
        let (header, _) = self.request();
        assert_eq!(header.api, api);
        self.write(answer);
    }

    /// Keeps the connection open and says nothing, until the test is over.
    pub fn hold(&mut self) {
        let _ = self.held.recv();
    }

    fn request(&mut self) -> (RequestHeader, AnyRequest) {
        let frame = self.frame();
        let mut cursor = Cursor::new(&frame);
        let header = RequestHeader::decode(&mut cursor).unwrap();
        let body = AnyRequest::read(&mut cursor, &header).unwrap();
        (header, body)
    }

    fn frame(&mut self) -> Bytes {
        loop {
            if let Some(frame) = Framing::default().next(&mut self.received).unwrap() {
                return frame;
            }
            let mut buffer = [0; 4096];
            let read = self.stream.read(&mut buffer).unwrap();
            assert!(read > 0, "the client hung up");
            self.received.extend_from_slice(&buffer[..read]);
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }
}
