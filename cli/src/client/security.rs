//! How a connection is secured: encrypted or not, and as whom we log in. Told in Kafka's words, by a client's properties
//! (<https://kafka.apache.org/documentation/#security>).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use forebay_kafka::model::Secret;
use forebay_kafka::model::login::Mechanism;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::properties::{self, Property};

/// How to begin every connection to a cluster.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// How it is encrypted; `None` where it is not.
    pub tls: Option<Arc<ClientConfig>>,
    /// As whom to log in.
    pub credentials: Option<Arc<Credentials>>,
}

/// Who we are, and what proves it.
#[derive(Debug)]
pub struct Credentials {
    /// How.
    pub mechanism: Mechanism,
    /// Our name.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// What a properties file says.
#[derive(Debug, Default)]
pub struct Told {
    /// How connections are secured.
    pub security: Security,
    /// Properties that we have no use for.
    pub unused: Vec<String>,
}

/// Properties that say who we are or whom we trust begin so: those that we do not know are not passed over.
const OURS: [&str; 3] = ["security.", "sasl.", "ssl."];

/// Reads a client's properties file.
///
/// # Errors
/// What is wrong with it, and what of it we do not do.
pub fn read(path: &Path) -> Result<Told, String> {
    let at = |why: String| format!("{}: {why}", path.display());
    let text = std::fs::read_to_string(path).map_err(|why| at(why.to_string()))?;
    parse(&text).map_err(at)
}

fn parse(text: &str) -> Result<Told, String> {
    let mut said = Said(BTreeMap::new());
    let mut unused = Vec::new();
    for Property { key, value } in properties::parse(text)? {
        match OURS.iter().any(|prefix| key.starts_with(prefix)) {
            true => drop(said.0.insert(key, value.trim_end().to_owned())),
            false => unused.push(key),
        }
    }
    let security = said.security()?;
    match said.0.pop_first() {
        None => Ok(Told { security, unused }),
        Some((key, _)) => Err(format!("{key} is not known here, or has no use with the other settings")),
    }
}

/// What is not used yet of what the file says about security.
struct Said(BTreeMap<String, String>);

impl Said {
    fn take(&mut self, key: &str) -> Option<String> {
        self.0.remove(key)
    }

    fn security(&mut self) -> Result<Security, String> {
        let protocol = self.take("security.protocol").unwrap_or_else(|| "PLAINTEXT".into());
        let (encrypted, logs_in) = match protocol.to_ascii_uppercase().as_str() {
            "PLAINTEXT" => (false, false),
            "SSL" => (true, false),
            "SASL_PLAINTEXT" => (false, true),
            "SASL_SSL" => (true, true),
            _ => return Err(format!("security.protocol={protocol} does not exist")),
        };
        let tls = if encrypted { Some(Arc::new(self.tls()?)) } else { None };
        let credentials = if logs_in { Some(Arc::new(self.credentials()?)) } else { None };
        Ok(Security { tls, credentials })
    }

    fn credentials(&mut self) -> Result<Credentials, String> {
        let name = self.take("sasl.mechanism").unwrap_or_else(|| "GSSAPI".into());
        let mechanism = Mechanism::named(&name).ok_or_else(|| {
            let known: Vec<&str> = Mechanism::ALL.iter().map(|mechanism| mechanism.name()).collect();
            format!("sasl.mechanism={name} is not spoken here; {} are", known.join(", "))
        })?;
        let jaas =
            self.take("sasl.jaas.config").ok_or("sasl.jaas.config is missing: it names user and password")?;
        let (module, mut options) = jaas_entry(&jaas)?;
        let wanted = match mechanism {
            Mechanism::Plain => "org.apache.kafka.common.security.plain.PlainLoginModule",
            Mechanism::Scram(_) => "org.apache.kafka.common.security.scram.ScramLoginModule",
        };
        if module != wanted {
            return Err(format!("sasl.jaas.config names {module}; {name} goes with {wanted}"));
        }
        let mut option = |key| {
            let value = options.remove(key);
            value.ok_or_else(|| format!("sasl.jaas.config has no {key}"))
        };
        let (user, password) = (option("username")?, option("password")?);
        // Its name is not told: where quotes are missing it is a part of the password.
        if !options.is_empty() {
            return Err(
                "sasl.jaas.config has an option that is not known here beside username and password".into()
            );
        }
        Ok(Credentials { mechanism, user, password: Secret::from(password.into_bytes()) })
    }

    fn tls(&mut self) -> Result<ClientConfig, String> {
        let provider = Arc::new(default_provider());
        let checks_name = match self.take("ssl.endpoint.identification.algorithm").as_deref() {
            None | Some("https" | "HTTPS") => true,
            Some("") => false,
            Some(other) => {
                return Err(format!("ssl.endpoint.identification.algorithm={other} does not exist"));
            }
        };
        let authorities = Arc::new(self.authorities()?);
        let verifier = WebPkiServerVerifier::builder_with_provider(authorities, Arc::clone(&provider));
        let verifier = verifier.build().map_err(|why| format!("the truststore cannot be used: {why}"))?;
        let verifier: Arc<dyn ServerCertVerifier> =
            if checks_name { verifier } else { Arc::new(AnyName(verifier)) };
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().map_err(|why| why.to_string())?;
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        match self.identity()? {
            None => Ok(builder.with_no_client_auth()),
            Some((chain, key)) => builder
                .with_client_auth_cert(chain, key)
                .map_err(|why| format!("the keystore cannot be used: {why}")),
        }
    }

    /// Whose signature a broker's certificate has to have.
    fn authorities(&mut self) -> Result<RootCertStore, String> {
        let pem = self.pem("truststore", "certificates")?.ok_or(
            "ssl.truststore.location is missing: it names a file in PEM with the authorities that brokers' certificates \
             are signed by",
        )?;
        let mut authorities = RootCertStore::empty();
        for certificate in certificates(&pem, "the truststore")? {
            authorities.add(certificate).map_err(|why| format!("the truststore cannot be used: {why}"))?;
        }
        Ok(authorities)
    }

    /// Our own certificate and its key.
    fn identity(&mut self) -> Result<Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>, String> {
        if self.take("ssl.key.password").is_some() {
            return Err("ssl.key.password: a private key with a password is not read".into());
        }
        let (chain, key) = match self.take("ssl.keystore.key") {
            Some(key) => {
                let chain = self.pem("keystore", "certificate.chain")?;
                (chain.ok_or("ssl.keystore.certificate.chain is missing")?, key.into_bytes())
            }
            None => match self.pem("keystore", "certificate.chain")? {
                Some(both) => (both.clone(), both),
                None => return Ok(None),
            },
        };
        let key = PrivateKeyDer::from_pem_slice(&key);
        let key = key.map_err(|why| format!("the keystore has no private key in PEM: {why}"))?;
        Ok(Some((certificates(&chain, "the keystore")?, key)))
    }

    /// What a store holds: said in a file, or in the properties themselves.
    fn pem(&mut self, store: &str, inline: &str) -> Result<Option<Vec<u8>>, String> {
        let kind = self.take(&format!("ssl.{store}.type"));
        let location = self.take(&format!("ssl.{store}.location"));
        let inline_key = format!("ssl.{store}.{inline}");
        let inline = self.take(&inline_key);
        match (location, inline) {
            (Some(_), Some(_)) => Err(format!("ssl.{store}.location and {inline_key}: one of them")),
            (None, None) => Ok(None),
            _ if kind.as_deref() != Some("PEM") => {
                let kind = kind.unwrap_or_else(|| "JKS".into());
                Err(format!("ssl.{store}.type={kind} is not read here; PEM is"))
            }
            (None, Some(text)) => Ok(Some(text.into_bytes())),
            (Some(path), None) => std::fs::read(&path).map(Some).map_err(|why| format!("{path}: {why}")),
        }
    }
}

fn certificates(pem: &[u8], whose: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|why| format!("{whose} is not in PEM: {why}"))?;
    if found.is_empty() {
        return Err(format!("{whose} holds no certificate"));
    }
    Ok(found)
}

/// The module of a JAAS configuration of one entry, and its options: `MODULE required key="value" ...;`.
fn jaas_entry(text: &str) -> Result<(String, BTreeMap<String, String>), String> {
    let wrong = || "sasl.jaas.config is not MODULE required username=\"...\" password=\"...\";".to_owned();
    let text = text.trim().strip_suffix(';').ok_or_else(wrong)?;
    let (module, rest) = text.trim_start().split_once(char::is_whitespace).ok_or_else(wrong)?;
    let (flag, mut rest) = rest.trim_start().split_once(char::is_whitespace).ok_or_else(wrong)?;
    if !flag.eq_ignore_ascii_case("required") {
        return Err(wrong());
    }
    let mut options = BTreeMap::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok((module.to_owned(), options));
        }
        let (key, behind) = rest.split_once('=').ok_or_else(wrong)?;
        let (value, behind) = jaas_value(behind.trim_start()).ok_or_else(wrong)?;
        options.insert(key.trim().to_owned(), value);
        rest = behind;
    }
}

/// A value, quoted or not, and what is behind it.
fn jaas_value(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    let Some(quote) = quote else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            _ if c == quote => return Some((value, &text[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            _ => value.push(c),
        }
    }
    None
}

/// Takes a broker's certificate whatever name it was made out to: `ssl.endpoint.identification.algorithm=`.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The name is looked at behind all the rest.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_kafka::model::user::PasswordHash;

    const PLAIN: &str = "org.apache.kafka.common.security.plain.PlainLoginModule";
    const SCRAM: &str = "org.apache.kafka.common.security.scram.ScramLoginModule";

    fn login(mechanism: &str, jaas: &str) -> String {
        format!("security.protocol=SASL_PLAINTEXT\nsasl.mechanism={mechanism}\nsasl.jaas.config={jaas}\n")
    }

    #[test]
    fn a_login_is_read_as_java_has_it_written() {
        let text = login(
            "SCRAM-SHA-512",
            &format!("{SCRAM} required \\\n  username=\"al\\\\\"ice\" password='s e;c';"),
        );
        let told = parse(&format!("{text}client.id=me\n")).unwrap();
        let credentials = told.security.credentials.unwrap();
        assert_eq!(credentials.mechanism, Mechanism::Scram(PasswordHash::Sha512));
        assert_eq!((credentials.user.as_str(), credentials.password.expose()), ("al\"ice", &b"s e;c"[..]));
        assert_eq!(told.unused, ["client.id"]);
        assert!(told.security.tls.is_none());
    }

    #[test]
    fn what_is_not_done_is_refused_by_name() {
        for (text, why) in [
            ("security.protocol=KERBEROS".to_owned(), "security.protocol=KERBEROS does not exist"),
            ("security.protocol=SASL_PLAINTEXT".into(), "sasl.mechanism=GSSAPI is not spoken here"),
            ("security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN".into(), "sasl.jaas.config is missing"),
            (login("PLAIN", &format!("{SCRAM} required username=a password=b;")), "PLAIN goes with"),
            (login("PLAIN", &format!("{PLAIN} required username=a;")), "has no password"),
            (
                login("PLAIN", &format!("{PLAIN} required username=a password=b x=y;")),
                "has an option that is not known here",
            ),
            (login("PLAIN", &format!("{PLAIN} required username=a password=b")), "is not MODULE required"),
            (login("PLAIN", &format!("{PLAIN} required username=\"a password=b;")), "is not MODULE required"),
            ("sasl.mechanism=PLAIN".into(), "sasl.mechanism is not known here, or has no use"),
            ("security.protocol=SSL".into(), "ssl.truststore.location is missing"),
            (
                "security.protocol=SSL\nssl.truststore.location=a.jks".into(),
                "ssl.truststore.type=JKS is not read",
            ),
            (
                "security.protocol=SSL\nssl.truststore.type=PEM\nssl.truststore.certificates=none".into(),
                "holds no certificate",
            ),
            (
                "security.protocol=SSL\nssl.key.password=a\nssl.protocol=TLSv1".into(),
                "ssl.truststore.location",
            ),
        ] {
            let said = parse(&text).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }
}
