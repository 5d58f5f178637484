//! The exchanges and queues of every namespace.

use std::sync::Arc;

use forebay_model::TopicId;
use forebay_model::exchange::{Binding, Declaration, ExchangeName, ExchangeRefusal, QueueId, QueueName};
use forebay_model::queue::{NamespaceName, QueueDeclaration};

use crate::Topic;
use crate::codec::{DecodeError, Reader, Writer};
use crate::exchanges::Exchanges;
use crate::routes::{self, RouteChange, Stay};
use crate::shared_map::SharedMap;

/// Namespaces by name. The default one is always there. A clone is a snapshot and costs some reference counts.
#[derive(Clone, Debug)]
pub struct Namespaces {
    by_name: SharedMap<NamespaceName, Exchanges>,
}

impl Default for Namespaces {
    fn default() -> Namespaces {
        let mut by_name = SharedMap::default();
        by_name.insert(NamespaceName::default(), Exchanges::new());
        Namespaces { by_name }
    }
}

impl Namespaces {
    /// What a namespace has; `None` if there is no such one.
    pub fn get(&self, name: &NamespaceName) -> Option<&Exchanges> {
        self.by_name.get(name)
    }

    /// All of them by rising name.
    pub fn iter(&self) -> impl Iterator<Item = (&NamespaceName, &Exchanges)> {
        self.by_name.iter()
    }

    /// Whether nothing was changed since one was cloned from the other.
    pub fn is_shared_with(&self, other: &Namespaces) -> bool {
        self.by_name.is_shared_with(&other.by_name)
    }

    /// Changes a namespace; whether that changed anything. Queues come and go with their topics.
    pub(crate) fn change(
        &mut self,
        name: &NamespaceName,
        change: RouteChange,
    ) -> Result<bool, ExchangeRefusal> {
        // Nothing can be known of an exchange whose namespace is not there.
        let Some(exchanges) = self.by_name.get_mut(name) else { return Err(unknown(&change)) };
        let before = exchanges.clone();
        match change {
            RouteChange::DeclareExchange(declaration) => exchanges.declare(declaration).map(|_| ())?,
            RouteChange::DeleteExchange { name, if_unused } => exchanges.delete(&name, if_unused)?,
            RouteChange::Bind(binding) => exchanges.bind(binding)?,
            RouteChange::Unbind(binding) => exchanges.unbind(&binding)?,
            RouteChange::CreateQueue(_) | RouteChange::EndStays(_) => {
                unreachable!("queues come and go with their topics")
            }
        }
        Ok(!exchanges.is_shared_with(&before))
    }

    pub(crate) fn add_queue(&mut self, namespace: &NamespaceName, name: QueueName, id: QueueId) {
        let exchanges = self.by_name.get_mut(namespace).expect("whoever creates a queue has looked");
        exchanges.add_queue(name, id);
    }

    pub(crate) fn remove_queue(&mut self, namespace: &NamespaceName, name: &QueueName) {
        if let Some(exchanges) = self.by_name.get_mut(namespace) {
            exchanges.remove_queue(name);
        }
    }
}

fn unknown(change: &RouteChange) -> ExchangeRefusal {
    ExchangeRefusal::UnknownExchange(match change {
        RouteChange::DeclareExchange(declaration) => declaration.name.clone(),
        RouteChange::DeleteExchange { name, .. } => name.clone(),
        RouteChange::Bind(binding) | RouteChange::Unbind(binding) => binding.source.clone(),
        RouteChange::CreateQueue(_) | RouteChange::EndStays(_) => ExchangeName::default(),
    })
}

/// A namespace as a checkpoint has it.
pub(crate) struct StoredNamespace {
    pub(crate) name: NamespaceName,
    /// But for those that every namespace has.
    pub(crate) exchanges: Vec<Declaration>,
    /// With their topics.
    pub(crate) queues: Vec<StoredQueue>,
    pub(crate) bindings: Vec<Binding>,
}

/// A queue as a checkpoint has it.
pub(crate) struct StoredQueue {
    pub(crate) topic: TopicId,
    pub(crate) declaration: QueueDeclaration,
    pub(crate) stay: Stay,
}

pub(crate) fn encode<'a>(
    namespaces: &'a Namespaces,
    topic: impl Fn(&NamespaceName, &QueueName) -> &'a Arc<Topic>,
    out: &mut Writer,
) {
    out.len(namespaces.by_name.len());
    for (name, exchanges) in namespaces.iter() {
        out.text(name.as_str());
        let declared: Vec<_> = exchanges.exchanges().filter(|exchange| !exchange.is_predeclared()).collect();
        out.list(declared.into_iter(), |out, exchange| routes::declaration(&exchange.declaration, out));
        let queues: Vec<_> = exchanges.queues().map(|(queue, _)| topic(name, queue)).collect();
        out.list(queues.into_iter(), |out, topic| {
            out.topic_id(topic.id);
            if let Some(queue) = &topic.queue {
                routes::queue(&queue.declaration, out);
                routes::stay(queue.stay, out);
            }
        });
        out.len(exchanges.bindings_len());
        exchanges.bindings().for_each(|binding| routes::binding(binding, out));
    }
}

pub(crate) fn decode(input: &mut Reader<'_>) -> Result<Vec<StoredNamespace>, DecodeError> {
    input.list("the namespaces", |input| {
        Ok(StoredNamespace {
            name: routes::read_namespace(input)?,
            exchanges: input.list("the exchanges", routes::read_declaration)?,
            queues: input.list("the queues", |input| {
                Ok(StoredQueue {
                    topic: input.topic_id("a topic's id")?,
                    declaration: routes::read_queue(input)?,
                    stay: routes::read_stay(input)?,
                })
            })?,
            bindings: input.list("the bindings", routes::read_binding)?,
        })
    })
}
