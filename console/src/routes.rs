//! From a request to its answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use forebay_env::metrics::{Counter, MetricsText};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use hyper::{Method, Request, Response, StatusCode};

use crate::console::Config;
use crate::limits::Limits;
use crate::operator::Operator;

const PAGE: &str = concat!(
    "Forebay ",
    env!("CARGO_PKG_VERSION"),
    "\n\n",
    "GET /metrics   what is counted, for Prometheus\n",
    "GET /healthz   200 while the process answers\n",
    "GET /readyz    200 when this node can serve, else 503; says why\n",
    "GET /log       the log levels\n",
    "PUT /log       changes them until the next start, e.g. curl -X PUT -d info,forebay_gateway=debug URL/log\n",
);

/// The media types of the answers.
const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

type Answer = Response<Full<Bytes>>;

/// Answers requests.
pub(crate) struct Routes {
    pub config: Config,
    operator: Arc<dyn Operator>,
    requests: Counter,
    pub refused: Counter,
}

/// What there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Page,
    Metrics,
    Health,
    Readiness,
    Log,
}

impl Place {
    fn of(path: &str) -> Option<Place> {
        match path {
            "/" => Some(Place::Page),
            "/metrics" => Some(Place::Metrics),
            "/healthz" => Some(Place::Health),
            "/readyz" => Some(Place::Readiness),
            "/log" => Some(Place::Log),
            _ => None,
        }
    }

    fn allows(self) -> &'static str {
        match self {
            Place::Log => "GET, HEAD, PUT",
            Place::Page | Place::Metrics | Place::Health | Place::Readiness => "GET, HEAD",
        }
    }
}

impl Routes {
    pub(crate) fn new(config: Config, operator: Arc<dyn Operator>) -> Routes {
        Routes { config, operator, requests: Counter::new(), refused: Counter::new() }
    }

    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Answer {
        self.requests.increment();
        let Some(place) = Place::of(request.uri().path()) else {
            return text(StatusCode::NOT_FOUND, "nothing is here; GET / lists what there is\n");
        };
        match (place, request.method()) {
            // The answer to HEAD is that to GET; its body is left out on the way.
            (_, &Method::GET | &Method::HEAD) => self.guarded(|| self.get(place)),
            (Place::Log, &Method::PUT) => match read_text(request, &self.config.limits).await {
                Ok(levels) => self.guarded(|| self.set_log_levels(levels.trim())),
                Err(answer) => answer,
            },
            _ => {
                let mut answer =
                    text(StatusCode::METHOD_NOT_ALLOWED, "this path does not take that method\n");
                let allowed = hyper::header::HeaderValue::from_static(place.allows());
                answer.headers_mut().insert(ALLOW, allowed);
                answer
            }
        }
    }

    fn get(&self, place: Place) -> Answer {
        match place {
            Place::Page => text(StatusCode::OK, PAGE),
            Place::Metrics => response(StatusCode::OK, PROMETHEUS, self.metrics()),
            Place::Health => text(StatusCode::OK, "alive\n"),
            Place::Readiness => self.readiness(),
            Place::Log => text(StatusCode::OK, self.operator.log_levels() + "\n"),
        }
    }

    fn metrics(&self) -> String {
        let mut out = MetricsText::new(self.config.series_max);
        self.operator.metrics(&mut out);
        out.counter("forebay_console_requests_total", "Requests to the console.", &self.requests);
        out.counter(
            "forebay_console_connections_refused_total",
            "Connections to the console above its limit.",
            &self.refused,
        );
        out.finish()
    }

    fn readiness(&self) -> Answer {
        let readiness = self.operator.readiness();
        let ready = readiness.is_ready();
        let mut body = serde_json::to_value(&readiness).expect("names and numbers become JSON");
        body["ready"] = ready.into();
        let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        response(status, JSON, format!("{body:#}\n"))
    }

    fn set_log_levels(&self, levels: &str) -> Answer {
        if levels.is_empty() {
            return text(
                StatusCode::BAD_REQUEST,
                "say the levels in the body, e.g. info,forebay_gateway=debug\n",
            );
        }
        let before = self.operator.log_levels();
        match self.operator.set_log_levels(levels) {
            Ok(()) => {
                let after = self.operator.log_levels();
                tracing::info!(before, after, "log levels changed");
                text(StatusCode::OK, after + "\n")
            }
            Err(why) => text(StatusCode::BAD_REQUEST, why + "\n"),
        }
    }

    /// A panic of the node's code is an answer like any other: an operator asks most when something is broken.
    fn guarded(&self, answer: impl FnOnce() -> Answer) -> Answer {
        catch_unwind(AssertUnwindSafe(answer)).unwrap_or_else(|_| {
            tracing::error!("answering an operator panicked: a bug of ours");
            text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "a bug: answering panicked; see the standard error output\n",
            )
        })
    }
}

async fn read_text(request: Request<Incoming>, limits: &Limits) -> Result<String, Answer> {
    let body = Limited::new(request.into_body(), limits.body_bytes_max).collect();
    let body = match tokio::time::timeout(limits.body_time_max, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(why)) if why.is::<http_body_util::LengthLimitError>() => {
            return Err(text(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large\n"));
        }
        Ok(Err(why)) => {
            return Err(text(StatusCode::BAD_REQUEST, format!("the body cannot be read: {why}\n")));
        }
        Err(_) => return Err(text(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time\n")),
    };
    String::from_utf8(body.into()).map_err(|_| text(StatusCode::BAD_REQUEST, "the body is not text\n"))
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    response(status, TEXT, body)
}

fn response(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    Response::builder()
        .status(status)
        .header(CONTENT_TYPE, content_type)
        .header(CACHE_CONTROL, "no-store")
        .body(Full::new(body.into()))
        .expect("constant headers are valid")
}
