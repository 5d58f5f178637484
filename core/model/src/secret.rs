//! Bytes that must never be printed.

use std::fmt;

use bytes::Bytes;

/// Passwords, and what stands for them. It has no `Display`, its `Debug` tells nothing, and it cannot be compared: whoever checks a
/// secret does it in constant time. Bytes that nobody shares are overwritten in the end; those of a frame, which its connection
/// shares, are not.
#[derive(Clone, Default)]
pub struct Secret(Bytes);

impl Secret {
    /// The bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, shared.
    #[must_use]
    pub fn into_bytes(mut self) -> Bytes {
        std::mem::take(&mut self.0)
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        if let Ok(mut ours) = std::mem::take(&mut self.0).try_into_mut() {
            ours.fill(0);
            // Else nobody would seem to look at the zeros.
            std::hint::black_box(&ours);
        }
    }
}

impl From<Bytes> for Secret {
    fn from(bytes: Bytes) -> Secret {
        Secret(bytes)
    }
}

impl From<Vec<u8>> for Secret {
    fn from(bytes: Vec<u8>) -> Secret {
        Secret(bytes.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret::from(b"hunter2".to_vec());
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "(secret) Some((secret))");
        assert_eq!(secret.expose(), b"hunter2");
        assert_eq!(secret.into_bytes(), b"hunter2"[..]);
    }

    #[test]
    fn what_others_share_stays_as_it_is() {
        let frame = Bytes::from(b"hunter2".to_vec());
        drop(Secret::from(frame.slice(..6)));
        assert_eq!(frame, b"hunter2"[..]);
    }
}
