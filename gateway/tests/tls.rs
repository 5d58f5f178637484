//! Stories about encryption: who may come, who they are, and what becomes of them when certificates change.

mod toy;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use forebay_gateway::{ClientCertificates, Config, Listener, Tls, TlsFiles};
use forebay_kit::model::login::Mechanism;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use toy::{Answering, Desk, Hall, PATIENCE, config};

/// Who signs certificates.
struct Authority {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

/// A certificate and its key, in PEM.
struct Identity {
    certificate: String,
    key: String,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority");
        let key = KeyPair::generate().unwrap();
        Authority { certificate: params.self_signed(&key).unwrap(), key }
    }

    fn issue(&self, common_name: &str) -> Identity {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Example, Inc");
        params.distinguished_name.push(DnType::CommonName, common_name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.certificate, &self.key).unwrap();
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    fn trusted(&self) -> RootCertStore {
        let mut store = RootCertStore::empty();
        store.add(self.certificate.der().clone()).unwrap();
        store
    }
}

/// A gateway at which everything is encrypted.
struct Vault {
    hall: Hall,
    tls: Arc<Tls>,
    dir: tempfile::TempDir,
    authority: Authority,
}

impl Vault {
    fn open(clients: ClientCertificates, config: Config, login: Option<Arc<[Mechanism]>>) -> Vault {
        let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new());
        let path = |name: &str| -> PathBuf { dir.path().join(name) };
        write(&dir, &authority.issue("first"));
        std::fs::write(path("ca.pem"), authority.certificate.pem()).unwrap();
        let files = TlsFiles {
            certificate: path("certificate.pem"),
            key: path("key.pem"),
            client_authorities: Some(path("ca.pem")),
            client_certificates: clients,
        };
        let tls = Arc::new(Tls::open(files).unwrap());
        let listener =
            Listener { address: (Ipv4Addr::LOCALHOST, 0).into(), login, tls: Some(Arc::clone(&tls)) };
        let hall = Hall::at(listener, config, Desk::new(Answering::AtOnce), usize::MAX);
        Vault { hall, tls, dir, authority }
    }

    fn usual() -> Vault {
        Vault::open(ClientCertificates::Ignored, config(|_| {}), None)
    }

    fn client(&self, versions: &[&'static SupportedProtocolVersion], identity: Option<&Identity>) -> Client {
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_protocol_versions(versions).unwrap();
        let builder = builder.with_root_certificates(self.authority.trusted());
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some(Identity { certificate, key }) => {
                let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        };
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let socket = TcpStream::connect_timeout(&self.hall.address, PATIENCE).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        Client(StreamOwned::new(connection, socket))
    }
}

fn write(dir: &tempfile::TempDir, identity: &Identity) {
    std::fs::write(dir.path().join("certificate.pem"), &identity.certificate).unwrap();
    std::fs::write(dir.path().join("key.pem"), &identity.key).unwrap();
}

struct Client(StreamOwned<ClientConnection, TcpStream>);

impl Client {
    fn try_echo(&mut self, text: &[u8]) -> std::io::Result<Vec<u8>> {
        let length = (1 + text.len() as u32).to_be_bytes();
        self.0.write_all(&[&length, &b"e"[..], text].concat())?;
        self.0.flush()?;
        let mut answer = vec![0; 5 + text.len()];
        self.0.read_exact(&mut answer)?;
        Ok(answer.split_off(5))
    }

    fn echo(&mut self, text: &[u8]) {
        assert_eq!(self.try_echo(text).unwrap(), text);
    }

    fn certificate(&self) -> Vec<u8> {
        self.0.conn.peer_certificates().unwrap()[0].to_vec()
    }
}

#[test]
fn clients_speak_either_version_in_messages_of_any_size() {
    let vault = Vault::usual();
    for version in [&TLS12, &TLS13] {
        let mut client = vault.client(&[version], None);
        client.echo(b"hello");
        client.echo(&vec![7; 3 << 20]);
        client.echo(b"");
        assert_eq!(client.0.conn.protocol_version(), Some(version.version));
    }
    assert!(vault.hall.desk.identified().is_empty());
}

#[test]
fn everything_is_written_before_a_connection_closes() {
    let vault = Vault::usual();
    let mut client = vault.client(&[&TLS13], None);
    let flood = [&9u32.to_be_bytes()[..], b"f", &100u64.to_be_bytes(), &1u32.to_be_bytes(), b"q"].concat();
    client.0.write_all(&flood).unwrap();
    let mut all = Vec::new();
    client.0.read_to_end(&mut all).unwrap();
    assert_eq!(all.len(), 100 * (5 + 64 * 1024) + 5);
}

#[test]
fn who_does_not_encrypt_is_put_out() {
    let vault = Vault::open(
        ClientCertificates::Ignored,
        config(|c| c.limits.handshake_max = Duration::from_millis(300)),
        None,
    );
    let mut plain = toy::Client::connect(vault.hall.address);
    plain.send(b'e', b"hello");
    // What comes back, if anything, is an alert.
    let mut rest = Vec::new();
    let _ = plain.socket.read_to_end(&mut rest);
    assert!(rest.is_empty() || rest[0] == 0x15, "{rest:?}");
    let mut silent = toy::Client::connect(vault.hall.address);
    silent.expect_close();
    vault.hall.wait_closed("handshake_max", 1);
    // Half of the first message, and no more.
    let mut slow = toy::Client::connect(vault.hall.address);
    slow.write(&[0x16, 3, 1, 2, 0, 1]);
    slow.expect_close();
    vault.hall.wait_closed("handshake_max", 2);
    vault.client(&[&TLS13], None).echo(b"others go on");
}

#[test]
fn new_connections_get_new_certificates_and_old_ones_go_on() {
    let vault = Vault::usual();
    let mut before = vault.client(&[&TLS13], None);
    before.echo(b"before");
    write(&vault.dir, &vault.authority.issue("second"));
    vault.tls.reload().unwrap();
    let mut after = vault.client(&[&TLS13], None);
    after.echo(b"after");
    before.echo(b"still there");
    assert_ne!(before.certificate(), after.certificate());

    // A key that does not fit, or no file: everything stays as it was.
    let (one, other) = (vault.authority.issue("third"), vault.authority.issue("fourth"));
    write(&vault.dir, &Identity { certificate: one.certificate, key: other.key });
    let error = vault.tls.reload().unwrap_err().to_string();
    assert!(error.contains("certificate.pem"), "{error}");
    std::fs::remove_file(vault.dir.path().join("key.pem")).unwrap();
    let error = vault.tls.reload().unwrap_err().to_string();
    assert!(error.contains("key.pem"), "{error}");
    let mut last = vault.client(&[&TLS13], None);
    last.echo(b"last");
    assert_eq!(last.certificate(), after.certificate());
}

const ALICE: &str = "User:CN=alice,O=Example\\, Inc";

#[test]
fn a_client_is_who_its_certificate_is_about() {
    let vault = Vault::open(ClientCertificates::Required, config(|_| {}), None);
    let alice = vault.authority.issue("alice");
    for (at, version) in [&TLS12, &TLS13].into_iter().enumerate() {
        vault.client(&[version], Some(&alice)).echo(b"it is me");
        assert_eq!(vault.hall.desk.identified(), vec![ALICE; at + 1]);
        vault.client(&[version], None).try_echo(b"nobody").unwrap_err();
        let stranger = Authority::new().issue("alice");
        vault.client(&[version], Some(&stranger)).try_echo(b"signed by somebody else").unwrap_err();
    }
    assert_eq!(vault.hall.desk.identified().len(), 2);
}

#[test]
fn who_signs_clients_certificates_can_be_changed_while_clients_are_there() {
    let vault = Vault::open(ClientCertificates::Required, config(|_| {}), None);
    let (alice, successor) = (vault.authority.issue("alice"), Authority::new());
    let mut before = vault.client(&[&TLS13], Some(&alice));
    before.echo(b"it is me");
    vault.client(&[&TLS13], Some(&successor.issue("alice"))).try_echo(b"too early").unwrap_err();
    std::fs::write(vault.dir.path().join("ca.pem"), successor.certificate.pem()).unwrap();
    vault.tls.reload().unwrap();
    for version in [&TLS12, &TLS13] {
        vault.client(&[version], Some(&alice)).try_echo(b"too late").unwrap_err();
        vault.client(&[version], Some(&successor.issue("alice"))).echo(b"it is me");
    }
    before.echo(b"still there");
    // What is no authority leaves the last one in force.
    std::fs::write(vault.dir.path().join("ca.pem"), "nothing").unwrap();
    vault.tls.reload().unwrap_err();
    vault.client(&[&TLS13], Some(&successor.issue("alice"))).echo(b"it is me");
}

#[test]
fn certificates_may_be_asked_for_and_not_insisted_on() {
    let vault = Vault::open(ClientCertificates::Requested, config(|_| {}), None);
    vault.client(&[&TLS13], None).echo(b"nobody");
    vault.client(&[&TLS13], Some(&vault.authority.issue("alice"))).echo(b"it is me");
    vault.client(&[&TLS13], Some(&Authority::new().issue("bob"))).try_echo(b"a bad one").unwrap_err();
    assert_eq!(vault.hall.desk.identified(), [ALICE]);
}

#[test]
fn who_logs_in_is_not_who_the_certificate_is_about() {
    let login: Arc<[Mechanism]> = [Mechanism::Plain].into();
    let vault = Vault::open(ClientCertificates::Required, config(|_| {}), Some(login));
    vault.client(&[&TLS13], Some(&vault.authority.issue("alice"))).echo(b"later");
    assert!(vault.hall.desk.identified().is_empty());
}
