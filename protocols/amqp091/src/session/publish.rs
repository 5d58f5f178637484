//! basic.publish: a message on its way, and what became of it.

use forebay_kit::Bytes;
use forebay_kit::model::Refusal;
use forebay_kit::model::exchange::ExchangeName;
use forebay_kit::model::post::{PostItem, PostRefusal, PostRouting, Posted, PostedTo};

use super::arguments::{headers, milliseconds};
use super::channel::Channel;
use super::confirms::Verdict;
use super::exception::{Done, Exception, not_found, not_implemented, precondition};
use super::publishes::{Posting, Returned};
use super::refusals;
use super::shared::Shared;
use super::stored::{self, PERSISTENT};
use crate::wire::method::{BasicPublish, BasicReturn};
use crate::wire::table::Value;
use crate::wire::{Content, OutgoingContent, Properties, ReplyCode, ShortStr, TableBuilder};

/// The header with further keys.
const CC: &str = "CC";
/// The header with further keys that nobody sees.
const BCC: &str = "BCC";

impl Channel {
    pub(super) fn publish(&mut self, shared: &mut Shared, method: BasicPublish, content: Content) -> Done {
        if method.immediate {
            return Err(not_implemented("immediate=true"));
        }
        let replies_to = self.replies_to(&content.properties)?;
        let item = item(shared, &method, &content, replies_to)?;
        let tag = self.confirms.as_mut().map(|confirms| confirms.next());
        let returned = method.mandatory.then(|| {
            let BasicPublish { exchange, routing_key, .. } = method;
            Box::new(Returned { exchange, routing_key, content })
        });
        self.publishes += 1;
        shared.publishes.add(self.place, tag, returned, item);
        Ok(())
    }

    /// A publish of this channel was taken or refused.
    pub(super) fn posted(&mut self, shared: &mut Shared, posting: Posting, posted: Posted) -> Done {
        self.publishes -= 1;
        let verdict = match posted {
            Ok(PostedTo::Queues(_)) => Verdict::Ack,
            Ok(PostedTo::Nowhere) => {
                if let Some(returned) = posting.returned {
                    self.give_back(shared, *returned)?;
                }
                Verdict::Ack
            }
            Err(refusal) => self.refused(shared, posting.tag.is_some(), refusal)?,
        };
        if let (Some(tag), Some(confirms)) = (posting.tag, &mut self.confirms) {
            confirms.know(tag, verdict);
        }
        Ok(())
    }

    /// A mandatory message that went nowhere.
    fn give_back(&self, shared: &mut Shared, returned: Returned) -> Done {
        let Returned { exchange, routing_key, content } = returned;
        let reply_code = ReplyCode::NoRoute;
        let reply_text = ShortStr::from_static(ReplyCode::NoRoute.name());
        let method = BasicReturn { reply_code, reply_text, exchange, routing_key };
        let content = OutgoingContent { properties: content.properties.as_bytes(), body: &content.body };
        shared.say_message(self.place.channel, &method, content)
    }

    fn refused(
        &self,
        shared: &Shared,
        is_confirmed: bool,
        refusal: PostRefusal,
    ) -> Result<Verdict, Exception> {
        let why = match refusal {
            PostRefusal::UnknownExchange(name) => refusals::unknown_exchange(shared, &name),
            PostRefusal::InternalExchange(name) => refusals::internal_exchange(shared, &name),
            PostRefusal::TooManyKeys => {
                precondition("a message with too many keys in its headers CC and BCC")
            }
            PostRefusal::NotTaken(refusal) => {
                // To send these again would be in vain.
                let is_told = matches!(
                    refusal,
                    Refusal::NotAuthorized { .. } | Refusal::TooLarge { .. } | Refusal::Unsupported(_)
                );
                if is_confirmed && !is_told {
                    return Ok(Verdict::Nack);
                }
                // Without confirms the end is the only sign that a publisher can get.
                refusals::broker(shared, "a published message", &refusal)
            }
        };
        Err(why.of(BasicPublish::INFO.id))
    }
}

/// A message for the broker.
fn item(
    shared: &Shared,
    method: &BasicPublish,
    content: &Content,
    replies_to: Option<ShortStr>,
) -> Result<PostItem, Exception> {
    let properties = &content.properties;
    check_user(shared, properties)?;
    let ttl_ms = properties.expiration().map(expiration).transpose()?;
    let exchange = exchange(shared, &method.exchange)?;
    let (keys, has_bcc) = keys(method, properties)?;
    let mut kept = if has_bcc { without_bcc(properties) } else { properties.clone() };
    if let Some(queue) = replies_to {
        let mut list = kept.to_list();
        list.reply_to = Some(queue);
        kept = list.encode();
    }
    Ok(PostItem {
        exchange,
        keys,
        routing: routing(properties),
        is_transient: properties.delivery_mode() != Some(PERSISTENT),
        priority: properties.priority().unwrap_or(0),
        ttl_ms,
        origin: stored::ORIGIN,
        properties: stored::encode(&method.exchange, &method.routing_key, &kept),
        body: content.body.clone(),
    })
}

fn check_user(shared: &Shared, properties: &Properties) -> Done {
    match properties.user_id() {
        Some(said) if said != shared.user.as_bytes() => {
            let (said, user) = (String::from_utf8_lossy(said), &shared.user);
            let why = format!("user_id property set to '{said}' but authenticated user was '{user}'");
            Err(precondition(why))
        }
        _ => Ok(()),
    }
}

/// Milliseconds in decimal digits.
fn expiration(text: &[u8]) -> Result<u64, Exception> {
    let shown = String::from_utf8_lossy(text);
    let invalid = |why: String| precondition(format_args!("invalid expiration '{shown}': {why}"));
    let (sign, digits) = match shown.strip_prefix(['-', '+']) {
        Some(digits) => (shown.starts_with('-'), digits),
        None => (false, &*shown),
    };
    let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
    let (number, rest) = digits.split_at(end);
    match number.parse::<u64>() {
        _ if number.is_empty() => Err(invalid("no_integer".into())),
        _ if !rest.is_empty() => Err(invalid(format!("{{leftover_string,\"{rest}\"}}"))),
        Ok(ms) if sign && ms > 0 => Err(invalid(format!("{{value_negative,-{ms}}}"))),
        Ok(ms) if ms <= EXPIRATION_MS_MAX => Ok(ms),
        _ => Err(invalid(format!("{{value_too_large,{number}}}"))),
    }
}

/// The longest that a message may wait: what RabbitMQ's timers can.
const EXPIRATION_MS_MAX: u64 = u32::MAX as u64;

/// Names in methods with content may be any bytes; what is no text is no exchange's name.
fn exchange(shared: &Shared, name: &ShortStr) -> Result<ExchangeName, Exception> {
    let shown = String::from_utf8_lossy(name.as_bytes());
    let name = name.as_str().and_then(|name| ExchangeName::parse(name).ok());
    name.ok_or_else(|| not_found(format_args!("no {}", shared.exchange(shown))))
}

/// The routing key and those of `CC` and `BCC`; whether there is a `BCC`.
fn keys(method: &BasicPublish, properties: &Properties) -> Result<(Vec<Bytes>, bool), Exception> {
    let mut keys = vec![method.routing_key.as_bytes().clone()];
    let Some(headers) = properties.headers() else { return Ok((keys, false)) };
    for name in [CC, BCC] {
        match headers.get(name) {
            None => {}
            Some(Value::Array(items)) => {
                for item in items.items() {
                    let Value::LongStr(key) = item else { return Err(unacceptable(name)) };
                    keys.push(Bytes::copy_from_slice(key));
                }
            }
            Some(_) => return Err(unacceptable(name)),
        }
    }
    Ok((keys, headers.get(BCC).is_some()))
}

fn unacceptable(header: &str) -> Exception {
    precondition(format_args!("invalid message: {{unacceptable_type_in_header,<<\"{header}\">>}}"))
}

/// The same properties but for one header.
fn without_bcc(properties: &Properties) -> Properties {
    let mut list = properties.to_list();
    let headers = list.headers.take().unwrap_or_default();
    let kept = headers.fields().filter(|(name, _)| *name != BCC.as_bytes());
    let kept = kept.fold(TableBuilder::new(), |table, (name, value)| table.put_raw(name, value)).finish();
    // A part of what was read can be written.
    list.headers = kept.ok();
    list.encode()
}

fn routing(properties: &Properties) -> PostRouting {
    let bytes = |text: &[u8]| Bytes::copy_from_slice(text);
    PostRouting {
        headers: properties.headers().map(headers).unwrap_or_default(),
        message_id: properties.message_id().map(bytes),
        correlation_id: properties.correlation_id().map(bytes),
        timestamp: properties.timestamp().map(milliseconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiration_is_a_number_of_milliseconds() {
        assert_eq!(expiration(b"0"), Ok(0));
        assert_eq!(expiration(b"60000"), Ok(60_000));
        assert_eq!(expiration(b"4294967295"), Ok(EXPIRATION_MS_MAX));
        for (text, why) in [
            ("abc", "no_integer"),
            ("", "no_integer"),
            ("5x", "{leftover_string,\"x\"}"),
            ("-1", "{value_negative,-1}"),
            ("4294967296", "{value_too_large,4294967296}"),
            ("99999999999999999999", "{value_too_large,99999999999999999999}"),
        ] {
            let refused = expiration(text.as_bytes()).unwrap_err().text;
            assert_eq!(refused, format!("PRECONDITION_FAILED - invalid expiration '{text}': {why}"));
        }
    }
}
