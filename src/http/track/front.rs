//! What stands before actix-web: answers redirects of known links and pixels, and hands on the rest.

use std::borrow::Cow;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_http::body::BoxBody;
use actix_http::{Request, Response};
use actix_service::{Service, ServiceFactory};
use actix_web::dev::{AppConfig, ServiceResponse};
use actix_web::http::Method;
use actix_web::web::Data;

use super::request::random;
use super::turn::Turn;
use super::{answer, request};
use crate::http::connection::Link;
use crate::http::metrics::Metrics;
use crate::http::state::State;
use crate::tracking::pixel;
use crate::tracking::redirect::{self, RedirectAnswer, RedirectRequest};

/// The path of the pixel.
const PIXEL: &str = "/t/p.gif";

type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

/// Puts the front before an application.
pub fn in_front_of<F>(
    app: F,
    state: Data<State>,
    turn: Rc<Turn>,
) -> impl ServiceFactory<Request, Config = (), Response = Response<BoxBody>, Error = Response<BoxBody>, InitError = ()>
where
    F: ServiceFactory<Request, Config = AppConfig, Response = ServiceResponse, Error = actix_web::Error> + 'static,
    F::Service: 'static,
{
    Factory { app, state, turn }
}

struct Factory<F> {
    app: F,
    state: Data<State>,
    turn: Rc<Turn>,
}

impl<F> ServiceFactory<Request> for Factory<F>
where
    F: ServiceFactory<Request, Config = AppConfig, Response = ServiceResponse, Error = actix_web::Error> + 'static,
    F::Service: 'static,
{
    type Response = Response<BoxBody>;
    type Error = Response<BoxBody>;
    type Config = ();
    type Service = Front<F::Service>;
    type InitError = ();
    type Future = Boxed<Result<Self::Service, ()>>;

    fn new_service(&self, (): ()) -> Self::Future {
        // Addresses are made of `public_url` alone, so the host and port that actix-web would show are not needed.
        let app = self.app.new_service(AppConfig::default());
        let (state, turn) = (self.state.clone(), Rc::clone(&self.turn));
        actix_web::rt::spawn(Rc::clone(&turn).flush_for_ever());
        Box::pin(async move { app.await.map(|app| Front { app, state, turn }).map_err(|_failed| ()) })
    }
}

struct Front<S> {
    app: S,
    state: Data<State>,
    turn: Rc<Turn>,
}

impl<S> Service<Request> for Front<S>
where
    S: Service<Request, Response = ServiceResponse, Error = actix_web::Error> + 'static,
{
    type Response = Response<BoxBody>;
    type Error = Response<BoxBody>;
    type Future = Answer;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.app.poll_ready(context).map_err(|error| error.error_response().into())
    }

    fn call(&self, request: Request) -> Answer {
        if let Some(answer) = self.answer(&request) {
            return answer;
        }
        let answering = self.app.call(request);
        Answer::OfApp(Box::pin(async move {
            match answering.await {
                Ok(response) => Ok(response.into()),
                Err(error) => Err(error.error_response().into()),
            }
        }))
    }
}

impl<S> Front<S> {
    /// The answer, unless it is not the front's to give.
    fn answer(&self, request: &Request) -> Option<Answer> {
        let path = request.path();
        let connection = request.conn_data::<Rc<Link>>()?;
        if path == PIXEL && request.method() == Method::GET {
            return Some(self.pixel(request, connection));
        }
        let slug = path.strip_prefix('/')?;
        // Escaped slugs, as other odd ones, are the routes' to read.
        let is_plain = matches!(*request.method(), Method::GET | Method::HEAD) && !slug.contains(['/', '%']);
        if is_plain { self.redirect(request, slug, connection) } else { None }
    }

    fn redirect(&self, request: &Request, slug: &str, connection: &Rc<Link>) -> Option<Answer> {
        let table = self.state.links.table();
        // Before anything is read: what is no link is the routes' business.
        let link = table.find(slug)?;
        let query = request.uri().query().unwrap_or("");
        let asked = RedirectRequest { query, client: request::client(request.head(), &self.state) };
        match redirect::decide(&asked, &link, self.state.privacy(), self.state.clock.now(), random()) {
            RedirectAnswer::Found(found) => {
                self.turn.record(&found.record, connection);
                Some(Answer::Ready(Some(answer::redirect(&found, query, self.state.is_https()))))
            }
            RedirectAnswer::Archived | RedirectAnswer::Expired => None,
        }
    }

    /// `GET /t/p.gif`: always the picture; why nothing was recorded stands in a header.
    fn pixel(&self, request: &Request, connection: &Rc<Link>) -> Answer {
        let query = request.uri().query().unwrap_or("");
        let slug = slug_of(query);
        let link = slug.as_deref().and_then(|slug| self.state.links.table().find(slug).map(|found| found.link));
        if slug.is_some() && link.is_none() {
            Metrics::count(&self.state.metrics.slugs_unknown);
            return Answer::Ready(Some(answer::pixel(Some("link-unknown"))));
        }
        let client = request::client(request.head(), &self.state);
        let view = pixel::view_record(link, &client, self.state.privacy(), self.state.clock.now(), random());
        self.turn.record(&view, connection);
        Answer::Ready(Some(answer::pixel(None)))
    }
}

/// The parameter `l` of a pixel's query.
fn slug_of(query: &str) -> Option<Cow<'_, str>> {
    // Nearly every pixel says no more than `l=slug`.
    match query.strip_prefix("l=") {
        Some(slug) if !slug.contains(['&', '%', '+']) => Some(Cow::Borrowed(slug)),
        _ => url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "l").map(|(_, slug)| slug),
    }
}

/// An answer on its way.
enum Answer {
    /// It is there; where it is of a touch, its connection holds it back.
    Ready(Option<Response<BoxBody>>),
    /// The application gives it.
    OfApp(Boxed<Result<Response<BoxBody>, Response<BoxBody>>>),
}

impl Future for Answer {
    type Output = Result<Response<BoxBody>, Response<BoxBody>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            // A future is not polled again once it is done.
            Self::Ready(answer) => Poll::Ready(answer.take().ok_or_else(Response::internal_server_error)),
            Self::OfApp(answering) => answering.as_mut().poll(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slug_of_a_pixel_is_found_in_any_query() {
        for (query, slug) in [
            ("l=spring", Some("spring")),
            ("l=", Some("")),
            ("l=a%2Fb+c", Some("a/b c")),
            ("l=a&l=b", Some("a")),
            ("x=1&l=a", Some("a")),
            ("%6c=a", Some("a")),
            ("x=1", None),
            ("", None),
        ] {
            assert_eq!(slug_of(query).as_deref(), slug, "{query}");
        }
    }
}
