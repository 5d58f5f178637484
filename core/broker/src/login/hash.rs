//! The hashing of passwords: RFC 5802's `H`, `HMAC` and `Hi`, for both hashes.

use forebay_model::user::PasswordHash;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256, Sha512};

/// What is kept of a salted password.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) stored: Vec<u8>,
    pub(crate) server: Vec<u8>,
}

/// The hash of some bytes.
pub(crate) fn digest(hash: PasswordHash, bytes: &[u8]) -> Vec<u8> {
    match hash {
        PasswordHash::Sha256 => Sha256::digest(bytes).to_vec(),
        PasswordHash::Sha512 => Sha512::digest(bytes).to_vec(),
    }
}

/// The keyed hash of some parts, one behind the other.
pub(crate) fn hmac(hash: PasswordHash, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    match hash {
        PasswordHash::Sha256 => authenticate::<Hmac<Sha256>>(key, parts),
        PasswordHash::Sha512 => authenticate::<Hmac<Sha512>>(key, parts),
    }
}

/// Random bytes that a salt is made of.
pub(crate) const SALT_RANDOM_BYTES: usize = 17;
const SALT_DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// A salt as the tools that clients use make theirs: a random number of 130 bits, written to the base of 36. All are made alike, so that
/// a salt does not tell who made it, and whether it is one at all.
pub(crate) fn salt(mut number: [u8; SALT_RANDOM_BYTES]) -> Vec<u8> {
    number[0] &= 0b11;
    let mut digits = Vec::new();
    while digits.is_empty() || number.iter().any(|byte| *byte != 0) {
        let mut rest = 0;
        for byte in &mut number {
            let part = rest * 256 + u16::from(*byte);
            *byte = (part / 36) as u8;
            rest = part % 36;
        }
        digits.push(SALT_DIGITS[usize::from(rest)]);
    }
    digits.reverse();
    digits
}

/// `SaltedPassword`: PBKDF2 (RFC 8018) with one block. Milliseconds of work: not for the threads of gateways or shards.
pub(crate) fn salted(hash: PasswordHash, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
    match hash {
        PasswordHash::Sha256 => derive::<Hmac<Sha256>>(password, salt, iterations),
        PasswordHash::Sha512 => derive::<Hmac<Sha512>>(password, salt, iterations),
    }
}

/// `StoredKey` and `ServerKey` of a salted password.
pub(crate) fn keys(hash: PasswordHash, salted_password: &[u8]) -> Keys {
    let client = hmac(hash, salted_password, &[b"Client Key"]);
    Keys { stored: digest(hash, &client), server: hmac(hash, salted_password, &[b"Server Key"]) }
}

/// Whether two secrets are the same; it takes as long wherever they differ.
pub(crate) fn equal(one: &[u8], other: &[u8]) -> bool {
    let differences = one.iter().zip(other).fold(0, |sum, (a, b)| std::hint::black_box(sum | (a ^ b)));
    one.len() == other.len() && differences == 0
}

fn keyed<M: Mac + KeyInit>(key: &[u8]) -> M {
    <M as Mac>::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn authenticate<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = keyed::<M>(key);
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

fn derive<M: Mac + KeyInit + Clone>(password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
    let keyed = keyed::<M>(password);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The password, the salt and the counts of RFC 6070, whose values for SHA-2 are widely published.
    #[test]
    fn passwords_are_salted_as_everybody_salts_them() {
        let salted = |hash, iterations| hex(&salted(hash, b"password", b"salt", iterations));
        assert_eq!(
            salted(PasswordHash::Sha256, 1),
            "120fb6cffcf8b32c43e7225256c4f837a86548c92ccc35480805987cb70be17b"
        );
        assert_eq!(
            salted(PasswordHash::Sha256, 4096),
            "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a"
        );
        assert_eq!(
            salted(PasswordHash::Sha512, 4096),
            "d197b1b33db0143e018b12f3d1d1479e6cdebdcc97c5c0f87f6902e072f457b5\
             143f30602641b3d55cd335988cb36b84376060ecd532e039b742a239434af2d5"
        );
    }

    /// RFC 4231, test case 2.
    #[test]
    fn bytes_are_authenticated_as_everybody_does() {
        let parts: &[&[u8]] = &[b"what do ya want ", b"for nothing?"];
        assert_eq!(
            hex(&hmac(PasswordHash::Sha256, b"Jefe", parts)),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn a_salt_is_a_number_of_130_bits() {
        assert_eq!(salt([0; 17]), b"0");
        let mut number = [0; 17];
        number[15..].copy_from_slice(&1_297u16.to_be_bytes());
        assert_eq!(salt(number), b"101");
        // 2^130 - 1; what is above it does not count.
        assert_eq!(salt([0xff; 17]), b"1omfro7zwmumr3umxudzyj6scf".to_vec());
    }

    #[test]
    fn only_the_same_is_equal() {
        assert!(equal(b"", b"") && equal(b"abc", b"abc"));
        assert!(!equal(b"abc", b"abd") && !equal(b"abc", b"ab") && !equal(b"", b"a"));
    }
}
