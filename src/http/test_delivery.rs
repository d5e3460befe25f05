//! Sends a test event to an endpoint of this server, over HTTP, as its vendor would.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::problem::{Problem, ProblemKind};
use super::state::State;
use crate::connectors::verify::Signed;
use crate::domain::ids::EndpointId;
use crate::jobs::test_event;
use crate::secret::random_token;
use crate::store::deliveries::{self, Verdict};
use crate::store::endpoints;

/// How long the server may take over its own test.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long a test is waited for.
const READ_WITHIN: Duration = Duration::from_secs(5);
/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// Most of an answer that is read.
const ANSWER_MAX: u64 = 65_536;

/// What a test was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct TestAnswer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The name of the test: its delivery is found by it once it has arrived.
    pub(crate) test: String,
    /// Why it was refused.
    pub(crate) refusal: Option<String>,
}

/// Sends the preset's test event to an endpoint, through the socket that its vendor comes through.
pub(crate) async fn send(state: &State, id: EndpointId) -> Result<TestAnswer, Problem> {
    let endpoint = state.db.read(move |conn| endpoints::get(conn, id)).await?;
    let path = format!("/hooks/{}", endpoint.token);
    let signed_url = endpoint.signed_url.clone().unwrap_or_else(|| state.url(&path));
    let now = state.clock.now();
    let test: String = random_token().chars().filter(char::is_ascii_alphanumeric).take(20).collect();
    let signed = test_event::request(&endpoint, &signed_url, &test, &state.secret, now)?;
    let address = state.address.get().copied().ok_or_else(|| {
        Problem::new(ProblemKind::Internal, "the server does not listen yet; send the test again in a moment")
    })?;
    let url = format!("http://{}{path}", own(address));
    let posted = tokio::task::spawn_blocking(move || post(&url, &signed)).await;
    let (status, text) =
        posted.map_err(|why| Problem::new(ProblemKind::Internal, why.to_string()))?.map_err(|why| {
            Problem::new(ProblemKind::Internal, format!("the server could not reach itself at {address}: {why}"))
        })?;
    let is_accepted = (200..300).contains(&status);
    let refusal = (!is_accepted).then(|| refusal_in(&text));
    if is_accepted {
        wait(state, id, test_event::message_id(&test)).await?;
    }
    Ok(TestAnswer { status, test, refusal })
}

/// Waits a moment until a test has been read, as every delivery is read a moment after it is answered. One that takes
/// longer is found by its name.
async fn wait(state: &State, id: EndpointId, message: String) -> Result<(), Problem> {
    let started = Instant::now();
    while started.elapsed() < READ_WITHIN {
        let name = message.clone();
        let items = state
            .db
            .read(move |conn| match deliveries::by_message(conn, id, &name)? {
                Some(delivery) => deliveries::items(conn, &[delivery]),
                None => Ok(Vec::new()),
            })
            .await?;
        if !items.is_empty() && items.iter().all(|item| item.verdict != Verdict::Pending) {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// The words of a problem, or the answer as it is.
fn refusal_in(text: &str) -> String {
    let told: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    told.get("detail").and_then(|v| v.as_str()).unwrap_or(text).to_owned()
}

/// An address at which this process reaches the one that it listens on.
fn own(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Posts a signed request; answers status and text, or why there is no answer.
pub fn post(url: &str, signed: &Signed) -> Result<(u16, String), String> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_global(Some(DEADLINE))
        .build()
        .into();
    let mut request = agent.post(url);
    for (name, value) in &signed.headers {
        request = request.header(name, value);
    }
    let mut response = request.send(&signed.body[..]).map_err(|why| why.to_string())?;
    let status = response.status().as_u16();
    let text = response.body_mut().with_config().limit(ANSWER_MAX).read_to_string().map_err(|why| why.to_string())?;
    Ok((status, text))
}
