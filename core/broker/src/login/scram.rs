//! SCRAM (RFC 5802, with the hashes of RFC 7677 and its successors), the server's side: pure, two messages in, two out.
//!
//! Channel binding is not offered. Names and passwords are taken as they are, without SASLprep, as Kafka's clients and
//! servers take them.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use forebay_machine::Credential;
use forebay_model::Refusal;
use forebay_model::user::PasswordHash;

use super::hash::{digest, equal, hmac};

/// What a client says first.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ClientFirst {
    /// The name, unescaped.
    pub(crate) name: String,
    /// The GSS-API header, which the second message repeats.
    header: String,
    nonce: String,
    /// The message without its header.
    bare: String,
}

/// What is kept between the two messages of a client.
#[derive(Debug)]
pub(crate) struct Exchange {
    hash: PasswordHash,
    credential: Arc<Credential>,
    /// What the client has to repeat of its header, as base64.
    binding: String,
    /// The client's nonce and ours.
    nonce: String,
    /// The client's alone.
    of_client: String,
    /// The first message of each side.
    said: String,
}

impl ClientFirst {
    /// Reads the first message.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn read(message: &[u8]) -> Result<ClientFirst, Refusal> {
        let text = std::str::from_utf8(message).map_err(|_| malformed("it is not UTF-8"))?;
        let (binding, rest) = text.split_once(',').ok_or_else(|| malformed("it has no header"))?;
        if !matches!(binding, "n" | "y") {
            return Err(malformed("channel binding is not offered"));
        }
        let (authzid, bare) = rest.split_once(',').ok_or_else(|| malformed("its header has no end"))?;
        let mut attributes = bare.split(',');
        let name = attributes.next().and_then(|first| first.strip_prefix("n="));
        let name = name.and_then(unescaped).ok_or_else(|| malformed("it does not begin with a name"))?;
        let nonce = attributes.next().and_then(|second| second.strip_prefix("r="));
        let nonce = nonce.filter(|nonce| is_nonce(nonce)).ok_or_else(|| malformed("it has no nonce"))?;
        // Kafka's way to log in with a delegation token, whose id comes as the name.
        if attributes.any(|extension| extension.eq_ignore_ascii_case("tokenauth=true")) {
            return Err(malformed("delegation tokens are not served"));
        }
        let acts_for = match authzid {
            "" => None,
            given => Some(given.strip_prefix("a=").and_then(unescaped)),
        };
        if acts_for.is_some_and(|other| other.as_ref() != Some(&name)) {
            return Err(malformed("it asks to act for somebody else"));
        }
        Ok(ClientFirst {
            name,
            header: text[..text.len() - bare.len()].to_owned(),
            nonce: nonce.to_owned(),
            bare: bare.to_owned(),
        })
    }
}

impl Exchange {
    /// Answers the first message. `nonce` is ours, printable and without commas.
    pub(crate) fn begin(
        first: &ClientFirst,
        hash: PasswordHash,
        credential: Arc<Credential>,
        nonce: &str,
    ) -> (Exchange, String) {
        let nonce = format!("{}{nonce}", first.nonce);
        let salt = BASE64.encode(&credential.salt);
        let answer = format!("r={nonce},s={salt},i={}", credential.iterations);
        let said = format!("{},{answer}", first.bare);
        let binding = BASE64.encode(&first.header);
        let of_client = first.nonce.clone();
        (Exchange { hash, credential, binding, nonce, of_client, said }, answer)
    }

    /// Checks the second message, and proves in return that we know the credential.
    ///
    /// # Errors
    /// [`Refusal::WrongCredentials`] where the proof does not fit; else what is wrong with the message.
    pub(crate) fn finish(&self, message: &[u8]) -> Result<String, Refusal> {
        let text = std::str::from_utf8(message).map_err(|_| malformed("it is not UTF-8"))?;
        let (proven, proof) = text.rsplit_once(",p=").ok_or_else(|| malformed("it has no proof"))?;
        let mut attributes = proven.split(',');
        if attributes.next().and_then(|first| first.strip_prefix("c=")) != Some(self.binding.as_str()) {
            return Err(malformed("it repeats another header"));
        }
        let nonce = attributes.next().and_then(|second| second.strip_prefix("r="));
        // librdkafka before 2.6.1 puts its own nonce in front of it once more. The proof covers that too.
        let before = nonce.and_then(|nonce| nonce.strip_suffix(self.nonce.as_str()));
        if !before.is_some_and(|before| before.is_empty() || before == self.of_client) {
            return Err(malformed("it repeats another nonce"));
        }
        let proof = BASE64.decode(proof).map_err(|_| malformed("its proof is not base64"))?;
        let said: [&[u8]; 3] = [self.said.as_bytes(), b",", proven.as_bytes()];
        let signature = hmac(self.hash, &self.credential.stored_key, &said);
        if proof.len() != signature.len() {
            return Err(malformed("its proof has another length"));
        }
        let client_key: Vec<u8> = proof.iter().zip(&signature).map(|(proof, mask)| proof ^ mask).collect();
        if !equal(&digest(self.hash, &client_key), &self.credential.stored_key) {
            return Err(Refusal::WrongCredentials);
        }
        Ok(format!("v={}", BASE64.encode(hmac(self.hash, &self.credential.server_key, &said))))
    }
}

fn malformed(why: &str) -> Refusal {
    Refusal::InvalidRequest(format!("the message of SCRAM cannot be read: {why}"))
}

/// A name without the escapes of commas and equals signs; `None` where another one stands in it, or nothing does.
fn unescaped(name: &str) -> Option<String> {
    let mut parts = name.split('=');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (letter, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            (None, None) => return None,
        };
        out.push(letter);
        out.push_str(rest);
    }
    (!out.is_empty()).then_some(out)
}

fn is_nonce(nonce: &str) -> bool {
    !nonce.is_empty() && nonce.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::super::hash::{keys, salted};
    use super::*;

    fn credential(hash: PasswordHash, password: &str, salt: &[u8]) -> Arc<Credential> {
        let iterations = 4096;
        let keys = keys(hash, &salted(hash, password.as_bytes(), salt, iterations));
        let salt = salt.to_vec().into();
        Arc::new(Credential {
            salt,
            iterations,
            stored_key: keys.stored.into(),
            server_key: keys.server.into(),
        })
    }

    /// What a client that knows this password proves.
    fn proof(hash: PasswordHash, password: &str, salt: &[u8], said: &str) -> String {
        let salted = salted(hash, password.as_bytes(), salt, 4096);
        let client_key = hmac(hash, &salted, &[b"Client Key"]);
        let signature = hmac(hash, &digest(hash, &client_key), &[said.as_bytes()]);
        BASE64.encode(client_key.iter().zip(signature).map(|(key, mask)| key ^ mask).collect::<Vec<_>>())
    }

    const NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

    /// RFC 7677, section 3, to its beginning.
    fn example() -> (Exchange, String) {
        let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let first = ClientFirst::read(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
        assert_eq!(first.name, "user");
        let hash = PasswordHash::Sha256;
        Exchange::begin(&first, hash, credential(hash, "pencil", &salt), NONCE)
    }

    #[test]
    fn the_example_of_the_standard_is_spoken() {
        let (exchange, answer) = example();
        assert_eq!(
            answer,
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        );
        let last = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                    p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let end = exchange.finish(last.as_bytes()).unwrap();
        assert_eq!(end, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn nothing_but_the_right_proof_is_taken() {
        let (exchange, _) = example();
        let nonce = format!("rOprNGfwEbeRWgbNEkqO{NONCE}");
        let finish = |text: String| exchange.finish(text.as_bytes()).map_err(|refusal| refusal.to_string());
        let zeros = BASE64.encode([0; 32]);
        let wrong = finish(format!("c=biws,r={nonce},p={zeros}"));
        assert_eq!(wrong, Err("wrong credentials".into()));
        for (message, part) in [
            (format!("c=biws,r={nonce}"), "no proof"),
            (format!("c=eSws,r={nonce},p={zeros}"), "another header"),
            (format!("c=biws,r={nonce}x,p={zeros}"), "another nonce"),
            (format!("c=biws,r={NONCE},p={zeros}"), "another nonce"),
            (format!("c=biws,r=x{nonce},p={zeros}"), "another nonce"),
            (format!("r={nonce},c=biws,p={zeros}"), "another header"),
            (format!("c=biws,r={nonce},p=?"), "not base64"),
            (format!("c=biws,r={nonce},p={}", BASE64.encode([0; 31])), "another length"),
        ] {
            assert!(finish(message.clone()).is_err_and(|why| why.contains(part)), "{message}");
        }
        assert!(exchange.finish(&[0xff]).is_err());
    }

    #[test]
    fn both_hashes_are_spoken_with_any_name_and_any_header() {
        for (hash, header, name, escaped) in [
            (PasswordHash::Sha512, "n,,", "alice", "alice"),
            (PasswordHash::Sha512, "y,a=b=2Cc,", "b,c", "b=2Cc"),
            (PasswordHash::Sha256, "n,a=x=3Dy,", "x=y", "x=3Dy"),
        ] {
            let bare = format!("n={escaped},r=fyko+d2lbbFgONRv9qkxdawL,ext=1");
            let first = ClientFirst::read(format!("{header}{bare}").as_bytes()).unwrap();
            assert_eq!(first.name, name);
            let (exchange, answer) =
                Exchange::begin(&first, hash, credential(hash, "secret", b"salt"), "ours");
            let nonce = "fyko+d2lbbFgONRv9qkxdawLours";
            assert_eq!(answer, format!("r={nonce},s=c2FsdA==,i=4096"));
            let proven = format!("c={},r={nonce},ext=2", BASE64.encode(header));
            let said = format!("{bare},{answer},{proven}");
            let last = |password| format!("{proven},p={}", proof(hash, password, b"salt", &said));
            assert!(exchange.finish(last("secret").as_bytes()).unwrap().starts_with("v="));
            let wrong = exchange.finish(last("Secret").as_bytes());
            assert_eq!(wrong, Err(Refusal::WrongCredentials));
        }
    }

    #[test]
    fn a_nonce_may_come_with_the_clients_own_once_more() {
        let first = ClientFirst::read(b"n,,n=user,r=mine").unwrap();
        let hash = PasswordHash::Sha256;
        let (exchange, answer) = Exchange::begin(&first, hash, credential(hash, "secret", b"salt"), "ours");
        let proven = "c=biws,r=minemineours";
        let proof = proof(hash, "secret", b"salt", &format!("n=user,r=mine,{answer},{proven}"));
        assert!(exchange.finish(format!("{proven},p={proof}").as_bytes()).is_ok());
    }

    #[test]
    fn a_first_message_that_cannot_be_answered_is_refused() {
        for (message, part) in [
            ("", "no header"),
            ("n", "no header"),
            ("n,", "no end"),
            ("p=tls-unique,,n=user,r=abc", "channel binding"),
            ("n,,r=abc", "a name"),
            ("n,,n=,r=abc", "a name"),
            ("n,,n=a=b,r=abc", "a name"),
            ("n,,m=x,n=user,r=abc", "a name"),
            ("n,,n=user", "no nonce"),
            ("n,,n=user,r=", "no nonce"),
            ("n,,n=user,r=a b", "no nonce"),
            ("n,a=other,n=user,r=abc", "somebody else"),
            ("n,other,n=user,r=abc", "somebody else"),
            ("n,,n=token,r=abc,tokenauth=true", "delegation tokens"),
        ] {
            let refused = ClientFirst::read(message.as_bytes()).expect_err(message).to_string();
            assert!(refused.contains(part), "{message}: {refused}");
        }
        assert!(ClientFirst::read(&[b'n', 0xff]).is_err());
    }
}
