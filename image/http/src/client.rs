//! The client, its requests and their answers.

use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::blocking::{Body, Client as Inner, RequestBuilder, Response};
use reqwest::{Method, Proxy, StatusCode, redirect};
use url::Url;

use crate::error::{Error, Fault, causes, reasons};
use crate::{Proxies, Trust};

/// How long a connection, an answer and each next part of it may take.
const STALL: Duration = Duration::from_secs(30);
/// The slowest transfer that is waited for once its first [`STALL`] is over, in bytes per second.
const SLOWEST: u64 = 4_000;

/// How a client works.
#[derive(Debug)]
pub struct Settings {
    /// The program's name for servers.
    pub agent: &'static str,
    /// The way that requests take.
    pub proxies: Proxies,
    /// Whom they trust.
    pub trust: Trust,
    /// How long a connection, an answer and each next part of it may take.
    pub stall: Duration,
    /// Whether redirects are followed. `Authorization` goes along while scheme, host and port stay the same.
    pub redirects: bool,
}

impl Settings {
    /// What this machine says: its variables for proxies, its trust store.
    ///
    /// # Errors
    /// When a variable holds no address of a proxy.
    pub fn of_machine(agent: &'static str) -> Result<Self, Fault> {
        let proxies = Proxies::from_environment().map_err(|e| Fault::Setting(e.to_string()))?;
        Ok(Self { agent, proxies, trust: Trust::of_machine(), stall: STALL, redirects: true })
    }
}

/// An HTTP client. It has a thread of its own while it lives; clones share it.
#[derive(Debug, Clone)]
pub struct Client {
    inner: Inner,
    proxies: Arc<Proxies>,
    stall: Duration,
}

impl Client {
    /// A client.
    ///
    /// # Errors
    /// When a certificate of our own is of no use.
    pub fn new(settings: Settings) -> Result<Self, Fault> {
        let proxies = Arc::new(settings.proxies);
        let way = proxies.clone();
        let config = settings.trust.config().map_err(|e| Fault::Setting(format!("setting up TLS: {e}")))?;
        let redirects = if settings.redirects { redirect::Policy::default() } else { redirect::Policy::none() };
        let inner = Inner::builder()
            .user_agent(settings.agent)
            .tls_backend_preconfigured(config)
            .proxy(Proxy::custom(move |url| way.of(url).cloned()))
            .connect_timeout(settings.stall)
            .timeout(settings.stall)
            .redirect(redirects)
            .referer(false)
            .build()
            .map_err(|e| Fault::Setting(reasons(&e)))?;
        Ok(Self { inner, proxies, stall: settings.stall })
    }

    /// A GET.
    pub fn get(&self, url: &str) -> Request<'_> {
        self.request(Method::GET, url)
    }

    /// A POST.
    pub fn post(&self, url: &str) -> Request<'_> {
        self.request(Method::POST, url)
    }

    /// A PUT.
    pub fn put(&self, url: &str) -> Request<'_> {
        self.request(Method::PUT, url)
    }

    /// A DELETE.
    pub fn delete(&self, url: &str) -> Request<'_> {
        self.request(Method::DELETE, url)
    }

    fn request(&self, method: Method, url: &str) -> Request<'_> {
        Request { client: self, inner: self.inner.request(method, url), url: url.to_owned(), stall: self.stall }
    }

    /// The proxy for an address, as messages show it.
    fn proxy(&self, url: Option<&Url>) -> Option<String> {
        self.proxies.name_of(url?)
    }
}

/// A request that was not sent yet.
#[must_use = "a request does nothing before it is sent"]
#[derive(Debug)]
pub struct Request<'a> {
    client: &'a Client,
    inner: RequestBuilder,
    url: String,
    stall: Duration,
}

impl Request<'_> {
    /// Adds a header.
    pub fn header(self, name: &str, value: &str) -> Self {
        Self { inner: self.inner.header(name, value), ..self }
    }

    /// What is sent along.
    pub fn body(self, bytes: impl Into<Vec<u8>>) -> Self {
        Self { inner: self.inner.body(bytes.into()), ..self }
    }

    /// What is sent along: so many bytes of a reader.
    pub fn body_of(self, reader: impl Read + Send + 'static, length: u64) -> Self {
        Self { inner: self.inner.body(Body::sized(reader, length)), ..self }
    }

    /// How long the answer may take, sending included, instead of what the client says.
    pub fn patience(self, stall: Duration) -> Self {
        Self { inner: self.inner.timeout(stall), stall, ..self }
    }

    /// Sends it; any answer of the server is one.
    ///
    /// # Errors
    /// When there is no answer, or the proxy gives one of its own.
    pub fn send(self) -> Result<Answer, Error> {
        let Self { client, inner, url, stall } = self;
        let answer = inner.send().map_err(|e| Error::new(&url, no_answer(client, &e, stall)))?;
        let proxy = client.proxy(Some(answer.url()));
        if let Some(fault) = proxy.as_deref().and_then(|proxy| of_proxy(proxy, &answer)) {
            return Err(Error::new(&url, fault));
        }
        Ok(Answer { inner: answer, url, stall, began: Instant::now(), received: 0 })
    }
}

/// Why there is no answer.
fn no_answer(client: &Client, error: &reqwest::Error, stall: Duration) -> Fault {
    let proxy = client.proxy(error.url());
    // The address is in the error already.
    let said = || reasons(std::error::Error::source(error).unwrap_or(error));
    let tls = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>());
    match (proxy, tls) {
        (_, Some(rustls::Error::InvalidCertificate(why))) => Fault::Untrusted(why.to_string()),
        // A tunnel stands when TLS begins in it.
        (_, Some(error)) => Fault::Transfer(format!("TLS failed: {error}")),
        _ if error.is_builder() || error.is_redirect() => Fault::Setting(said()),
        (Some(proxy), None) if error.is_connect() && !error.is_timeout() => {
            let temporary = !said().contains("authorization required");
            Fault::Proxy { proxy, reason: format!("lets nothing through: {}", said()), temporary }
        }
        (Some(proxy), None) if error.is_timeout() => {
            let reason = format!("gave no answer for {} s", stall.as_secs());
            Fault::Proxy { proxy, reason, temporary: true }
        }
        (None, None) if error.is_timeout() => Fault::Silent(stall),
        (_, None) => Fault::Transfer(said()),
    }
}

/// An answer that is the proxy's own. 407 is always one, and 502 and 504 are made for gateways; of others the proxy says
/// so: `Proxy-Status` is RFC 9209, and squid has a header that is older.
fn of_proxy(proxy: &str, answer: &Response) -> Option<Fault> {
    let status = answer.status();
    let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
    // In a tunnel the answer is the server's.
    let visible = answer.url().scheme() == "http";
    let said = header("x-squid-error").or_else(|| header("proxy-status").filter(|said| said.contains("error=")));
    let own = [407, 502, 504].contains(&status.as_u16()) || (said.is_some() && !status.is_success());
    (visible && own).then(|| Fault::Proxy {
        proxy: proxy.to_owned(),
        reason: format!("answers {status}{}", said.map(|said| format!(" ({said})")).unwrap_or_default()),
        temporary: status.is_server_error(),
    })
}

/// What a server answered. Its body is read from it.
#[derive(Debug)]
pub struct Answer {
    inner: Response,
    url: String,
    stall: Duration,
    began: Instant,
    received: u64,
}

impl Answer {
    /// The status.
    pub fn status(&self) -> u16 {
        self.inner.status().as_u16()
    }

    /// The status and its name.
    pub fn status_text(&self) -> String {
        self.inner.status().to_string()
    }

    /// The address that was answered for, after all redirects.
    pub fn url(&self) -> &Url {
        self.inner.url()
    }

    /// The first header of this name, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.inner.headers().get(name)?.to_str().ok()
    }

    /// All headers of this name that are text.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        self.inner.headers().get_all(name).iter().filter_map(|value| value.to_str().ok()).collect()
    }

    /// The answer, when it is a success.
    ///
    /// # Errors
    /// When it is none, sorted by what it means.
    pub fn accepted(self) -> Result<Self, Error> {
        let status = self.inner.status();
        if status.is_success() {
            return Ok(self);
        }
        let text = self.status_text();
        let fault = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Fault::Refused(text),
            StatusCode::NOT_FOUND | StatusCode::GONE => Fault::Gone(text),
            _ => {
                let pause = self.header("retry-after").and_then(|text| text.trim().parse().ok());
                let temporary = status.is_server_error() || [408, 425, 429].contains(&status.as_u16());
                Fault::Status { status: text, temporary, pause: pause.map(Duration::from_secs) }
            }
        };
        Err(Error::new(&self.url, fault))
    }

    /// The whole body, which may have so many bytes.
    ///
    /// # Errors
    /// When it has more, or breaks off.
    pub fn bytes(mut self, most: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let read = (&mut self).take(most + 1).read_to_end(&mut bytes);
        read.map_err(|e| Error::new(&self.url, Fault::of_body(e)))?;
        if bytes.len() as u64 > most { Err(Error::new(&self.url, Fault::Large(most))) } else { Ok(bytes) }
    }
}

impl Read for Answer {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer).map_err(|e| std::io::Error::other(broken_off(&e, self.stall)))?;
        self.received += count as u64;
        let allowed = self.stall + Duration::from_secs(self.received / SLOWEST);
        if count > 0 && self.began.elapsed() > allowed {
            return Err(std::io::Error::other(Fault::Slow(SLOWEST)));
        }
        Ok(count)
    }
}

fn broken_off(error: &std::io::Error, stall: Duration) -> Fault {
    let silent = causes(error).any(|cause| cause.downcast_ref().is_some_and(reqwest::Error::is_timeout));
    if silent { Fault::Silent(stall) } else { Fault::Transfer(format!("it broke off: {}", reasons(error))) }
}

impl Fault {
    /// The fault in an error of reading an [`Answer`].
    pub fn of_body(error: std::io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(fault) => fault,
            Err(other) => Self::Transfer(reasons(&other)),
        }
    }
}
