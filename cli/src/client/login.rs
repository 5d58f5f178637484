//! Logging in: what a mechanism has us say, step by step. PLAIN (RFC 4616), and SCRAM (RFC 5802, RFC 7677), in which the
//! broker proves in turn that it knows us.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use forebay_kafka::model::login::Mechanism;
use forebay_kafka::model::user::PasswordHash;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256, Sha512};

use super::security::Credentials;

/// Iterations that a broker may ask for: fewer protect the password too little (RFC 7677)...
const ITERATIONS_MIN: u32 = 4_096;
/// ...more would keep us busy. Apache Kafka keeps 16,384 at most.
const ITERATIONS_MAX: u32 = 65_536;
/// Bytes of our nonce.
pub const NONCE_BYTES: usize = 24;
/// No channel binding: `n,,`.
const GS2_HEADER: &str = "n,,";

/// Why a login makes no sense: the broker's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonsense(pub String);

impl fmt::Display for Nonsense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An exchange under way.
pub struct Exchange<'a> {
    credentials: &'a Credentials,
    expects: Expects,
}

/// What the broker has to say next.
enum Expects {
    /// Nothing: the mechanism has one step.
    Done,
    /// Salt and iterations; here is what we began with.
    Salt { hash: PasswordHash, first_bare: String, nonce: String },
    /// That it knows us: this signature.
    Signature(Vec<u8>),
}

impl Exchange<'_> {
    /// Begins: what to say first. `random` are bytes that nobody guesses.
    pub fn begin(credentials: &Credentials, random: [u8; NONCE_BYTES]) -> (Exchange<'_>, Vec<u8>) {
        match credentials.mechanism {
            Mechanism::Plain => {
                let said = [&b"\0"[..], credentials.user.as_bytes(), b"\0", credentials.password.expose()];
                (Exchange { credentials, expects: Expects::Done }, said.concat())
            }
            Mechanism::Scram(hash) => {
                let nonce = BASE64.encode(random);
                let user = credentials.user.replace('=', "=3D").replace(',', "=2C");
                let first_bare = format!("n={user},r={nonce}");
                let said = format!("{GS2_HEADER}{first_bare}").into_bytes();
                let expects = Expects::Salt { hash, first_bare, nonce };
                (Exchange { credentials, expects }, said)
            }
        }
    }

    /// Goes on behind what the broker said: what to say next, or nothing when it is over.
    ///
    /// # Errors
    /// What the broker said makes no sense, or does not prove that it knows us.
    pub fn answer(&mut self, said: &[u8]) -> Result<Option<Vec<u8>>, Nonsense> {
        match std::mem::replace(&mut self.expects, Expects::Done) {
            Expects::Done => Ok(None),
            Expects::Salt { hash, first_bare, nonce } => {
                let (last, signature) = proof(hash, self.credentials, &first_bare, &nonce, text(said)?)?;
                self.expects = Expects::Signature(signature);
                Ok(Some(last.into_bytes()))
            }
            Expects::Signature(signature) => {
                let said = text(said)?;
                let told = said.strip_prefix("v=").and_then(|text| BASE64.decode(text.trim_end()).ok());
                match told {
                    Some(told) if told == signature => Ok(None),
                    Some(_) => Err(nonsense("it does not know our password itself")),
                    None => Err(nonsense(&format!("it says {said:?} where its signature should be"))),
                }
            }
        }
    }
}

/// The last message of the client, and the signature that has to answer it.
fn proof(
    hash: PasswordHash,
    credentials: &Credentials,
    first_bare: &str,
    nonce: &str,
    said: &str,
) -> Result<(String, Vec<u8>), Nonsense> {
    let mut fields = said.split(',');
    let mut field = |name: &str| {
        let found = fields.next().and_then(|field| field.strip_prefix(name)?.strip_prefix('='));
        found.ok_or_else(|| nonsense(&format!("it says {said:?} where nonce, salt and iterations should be")))
    };
    let (both, salt, iterations) = (field("r")?, field("s")?, field("i")?);
    if !both.starts_with(nonce) || both.len() == nonce.len() {
        return Err(nonsense("its nonce does not go on from ours"));
    }
    let salt = BASE64.decode(salt).map_err(|_| nonsense("its salt is not in Base64"))?;
    let iterations =
        iterations.parse().ok().filter(|count| (ITERATIONS_MIN..=ITERATIONS_MAX).contains(count));
    let iterations = iterations.ok_or_else(|| {
        nonsense(&format!("it wants the password hashed not {ITERATIONS_MIN} to {ITERATIONS_MAX} times"))
    })?;
    let salted = salted(hash, credentials.password.expose(), &salt, iterations);
    let client_key = keyed_hash(hash, &salted, &[b"Client Key"]);
    let stored_key = digest(hash, &client_key);
    let without_proof = format!("c={},r={both}", BASE64.encode(GS2_HEADER));
    let signed = format!("{first_bare},{said},{without_proof}");
    let signature = keyed_hash(hash, &stored_key, &[signed.as_bytes()]);
    let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(key, sign)| key ^ sign).collect();
    let server_key = keyed_hash(hash, &salted, &[b"Server Key"]);
    let expected = keyed_hash(hash, &server_key, &[signed.as_bytes()]);
    Ok((format!("{without_proof},p={}", BASE64.encode(proof)), expected))
}

fn text(said: &[u8]) -> Result<&str, Nonsense> {
    std::str::from_utf8(said).map_err(|_| nonsense("it does not answer in words"))
}

fn nonsense(why: &str) -> Nonsense {
    Nonsense(why.to_owned())
}

/// `H` of RFC 5802.
fn digest(hash: PasswordHash, bytes: &[u8]) -> Vec<u8> {
    match hash {
        PasswordHash::Sha256 => Sha256::digest(bytes).to_vec(),
        PasswordHash::Sha512 => Sha512::digest(bytes).to_vec(),
    }
}

/// `HMAC` of RFC 5802.
fn keyed_hash(hash: PasswordHash, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    fn of<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        let mut mac = <M as Mac>::new_from_slice(key).expect("HMAC takes keys of any length");
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().to_vec()
    }
    match hash {
        PasswordHash::Sha256 => of::<Hmac<Sha256>>(key, parts),
        PasswordHash::Sha512 => of::<Hmac<Sha512>>(key, parts),
    }
}

/// `Hi` of RFC 5802.
fn salted(hash: PasswordHash, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
    fn of<M: Mac + KeyInit + Clone>(password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        let keyed = <M as Mac>::new_from_slice(password).expect("HMAC takes keys of any length");
        let mut first = keyed.clone();
        first.update(salt);
        first.update(&1u32.to_be_bytes());
        let mut block = first.finalize().into_bytes();
        let mut sum = block.to_vec();
        for _ in 1..iterations {
            let mut next = keyed.clone();
            next.update(&block);
            block = next.finalize().into_bytes();
            sum.iter_mut().zip(&block).for_each(|(sum, byte)| *sum ^= byte);
        }
        sum
    }
    match hash {
        PasswordHash::Sha256 => of::<Hmac<Sha256>>(password, salt, iterations),
        PasswordHash::Sha512 => of::<Hmac<Sha512>>(password, salt, iterations),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_kafka::model::Secret;

    /// The exchange of RFC 7677, section 3.
    const USER: &str = "user";
    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const FIRST: &str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const LAST: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
        p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    const SIGNATURE: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    fn credentials(mechanism: Mechanism, user: &str) -> Credentials {
        Credentials { mechanism, user: user.into(), password: Secret::from(b"pencil".to_vec()) }
    }

    fn under_way(credentials: &Credentials) -> Exchange<'_> {
        let first_bare = format!("n={USER},r={NONCE}");
        let hash = PasswordHash::Sha256;
        Exchange { credentials, expects: Expects::Salt { hash, first_bare, nonce: NONCE.into() } }
    }

    #[test]
    fn the_exchange_of_rfc_7677_is_ours() {
        let credentials = credentials(Mechanism::Scram(PasswordHash::Sha256), USER);
        let mut exchange = under_way(&credentials);
        let last = exchange.answer(FIRST.as_bytes()).unwrap().unwrap();
        assert_eq!(String::from_utf8(last).unwrap(), LAST);
        assert_eq!(exchange.answer(SIGNATURE.as_bytes()), Ok(None));
    }

    #[test]
    fn a_broker_that_does_not_know_us_is_found_out() {
        let credentials = credentials(Mechanism::Scram(PasswordHash::Sha256), USER);
        for (first, last, why) in [
            (FIRST, "v=AAAA", "does not know our password"),
            (FIRST, "e=other-error", "where its signature should be"),
            ("r=somebody,s=AAAA,i=4096", "", "does not go on from ours"),
            ("r=rOprNGfwEbeRWgbNEkqO,s=AAAA,i=4096", "", "does not go on from ours"),
            ("r=rOprNGfwEbeRWgbNEkqO1,s=AAAA,i=1", "", "hashed not 4096"),
            ("r=rOprNGfwEbeRWgbNEkqO1,s=AAAA,i=2000000000", "", "hashed not 4096"),
            ("r=rOprNGfwEbeRWgbNEkqO1,s=?,i=4096", "", "not in Base64"),
            ("e=unknown-user", "", "where nonce, salt and iterations"),
        ] {
            let mut exchange = under_way(&credentials);
            let said = match exchange.answer(first.as_bytes()) {
                Ok(_) => exchange.answer(last.as_bytes()),
                refused => refused,
            };
            let said = said.unwrap_err().to_string();
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn names_are_escaped_and_plain_says_all_at_once() {
        let scram = credentials(Mechanism::Scram(PasswordHash::Sha512), "a=b,c");
        let (_, said) = Exchange::begin(&scram, [0; NONCE_BYTES]);
        assert!(said.starts_with(b"n,,n=a=3Db=2Cc,r=AAAA"));
        let plain = credentials(Mechanism::Plain, "alice");
        let (mut exchange, said) = Exchange::begin(&plain, [0; NONCE_BYTES]);
        assert_eq!(said, b"\0alice\0pencil");
        assert_eq!(exchange.answer(b""), Ok(None));
    }
}
