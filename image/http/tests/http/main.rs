//! The client against servers and proxies that the tests play.

mod peer;
mod tls;

use std::io::Read;
use std::time::Duration;

use helix_http::{Answer, Client, Error, Fault, Proxies, Settings, Trust};

use crate::peer::{Peer, answer, closed_port};

/// Longer than any answer of these tests takes on a loaded machine, and short where one never comes.
const STALL: Duration = Duration::from_secs(2);

fn proxies(variables: &[(&str, &str)]) -> Proxies {
    let find = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
    Proxies::from_variables(find).expect("addresses of proxies")
}

fn settings(variables: &[(&str, &str)]) -> Settings {
    let (proxies, trust) = (proxies(variables), Trust::of_machine());
    Settings { agent: "test/1", proxies, trust, stall: Duration::from_secs(60), redirects: true }
}

fn client(variables: &[(&str, &str)]) -> Client {
    Client::new(settings(variables)).expect("a client")
}

fn impatient() -> Client {
    Client::new(Settings { stall: STALL, ..settings(&[]) }).expect("a client")
}

fn get(client: &Client, url: &str) -> Result<String, Error> {
    let bytes = client.get(url).send().and_then(Answer::accepted)?.bytes(1000)?;
    Ok(String::from_utf8(bytes).expect("text"))
}

#[test]
fn plain_http_goes_through_a_proxy_by_get_with_the_whole_address() {
    let proxy = Peer::start(|_| answer("200 OK", "", "from afar"));
    let address = format!("http://us%20er:pass@{}", proxy.address);
    let client = client(&[("HTTP_PROXY", &address), ("https_proxy", "http://127.0.0.1:9")]);
    assert_eq!(get(&client, "http://archive.example/dists/x?y=1").expect("an answer"), "from afar");
    let request = &proxy.requests()[0];
    assert_eq!(request.line, "GET http://archive.example/dists/x?y=1 HTTP/1.1");
    assert_eq!(request.header("host"), Some("archive.example"));
    assert_eq!(request.header("proxy-authorization"), Some("Basic dXMgZXI6cGFzcw=="));
}

#[test]
fn https_goes_through_a_tunnel() {
    let proxy = Peer::start(|_| answer("403 Forbidden", "", ""));
    let client = client(&[("https_proxy", &proxy.url()), ("http_proxy", "http://127.0.0.1:9")]);
    let error = get(&client, "https://archive.example/x").expect_err("a proxy that refuses");
    assert_eq!(proxy.requests()[0].line, "CONNECT archive.example:443 HTTP/1.1");
    assert!(matches!(error.fault, Fault::Proxy { .. }), "{error}");
}

#[test]
fn this_machine_is_asked_directly() {
    let server = Peer::start(|_| answer("200 OK", "", "here"));
    let client = client(&[("all_proxy", &format!("http://127.0.0.1:{}", closed_port()))]);
    assert_eq!(get(&client, &server.url()).expect("an answer"), "here");
    let by_name = server.url().replace("127.0.0.1", "localhost");
    assert_eq!(get(&client, &by_name).expect("an answer"), "here");
}

#[test]
fn an_error_of_the_proxy_is_called_one() {
    let own = [
        ("407 Proxy Authentication Required", "Proxy-Authenticate: Basic realm=\"x\"\r\n", false),
        ("403 Forbidden", "X-Squid-Error: ERR_ACCESS_DENIED 0\r\n", false),
        ("503 Service Unavailable", "Proxy-Status: cache; error=dns_error\r\n", true),
        ("502 Bad Gateway", "", true),
        ("504 Gateway Timeout", "", true),
    ];
    for (status, headers, again) in own {
        let proxy = Peer::start(move |_| answer(status, headers, ""));
        let address = format!("http://user:secret@{}", proxy.address);
        let error = get(&client(&[("http_proxy", &address)]), "http://a.example/").expect_err(status);
        let text = error.to_string();
        assert!(matches!(error.fault, Fault::Proxy { temporary, .. } if temporary == again), "{text}");
        assert!(text.contains(&proxy.address) && text.contains(&status[..3]), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
    let gone = format!("http://127.0.0.1:{}", closed_port());
    for url in ["http://a.example/", "https://a.example/"] {
        let error = get(&client(&[("all_proxy", &gone)]), url).expect_err("a proxy that is not there");
        assert!(matches!(error.fault, Fault::Proxy { .. }) && error.to_string().contains(&gone), "{error}");
    }
}

#[test]
fn an_answer_of_the_server_is_not_the_proxys() {
    let proxy = Peer::start(|_| answer("404 Not Found", "Via: 1.1 cache\r\n", ""));
    let error = get(&client(&[("http_proxy", &proxy.url())]), "http://a.example/").expect_err("404");
    assert!(matches!(error.fault, Fault::Gone(_)), "{error}");
    let server = Peer::start(|_| answer("502 Bad Gateway", "", ""));
    let error = get(&client(&[]), &server.url()).expect_err("502");
    assert!(matches!(error.fault, Fault::Status { temporary: true, .. }), "{error}");
}

#[test]
fn authorization_stays_with_scheme_host_and_port() {
    let other = Peer::start(|request| answer("200 OK", "", request.header("authorization").unwrap_or("none")));
    let away = other.url();
    let server = Peer::start(move |request| match request.path() {
        "/away" => answer("302 Found", &format!("Location: {away}/x\r\n"), ""),
        "/absolute" => {
            let here = request.header("host").expect("a host");
            answer("307 Temporary Redirect", &format!("Location: http://{here}/real\r\n"), "")
        }
        "/relative" => answer("301 Moved Permanently", "Location: real\r\n", ""),
        _ => answer("200 OK", "", request.header("authorization").unwrap_or("none")),
    });
    let ask = |path: &str| {
        let request = client(&[]).get(&format!("{}{path}", server.url())).header("authorization", "Bearer T").send();
        String::from_utf8(request.expect("an answer").bytes(100).expect("a body")).expect("text")
    };
    assert_eq!(ask("/absolute"), "Bearer T");
    assert_eq!(ask("/relative"), "Bearer T");
    assert_eq!(ask("/away"), "none", "another port is another server");
}

#[test]
fn redirects_that_lead_nowhere_end() {
    let server = Peer::start(|_| answer("302 Found", "Location: /again\r\n", ""));
    let error = get(&client(&[]), &server.url()).expect_err("a circle");
    assert!(error.to_string().contains("too many redirects") && !error.fault.is_temporary(), "{error}");
}

#[test]
fn refusal_absence_and_trouble_are_told_apart() {
    let fault = |status: &'static str| {
        let server = Peer::start(move |_| answer(status, "Retry-After: 7\r\n", ""));
        get(&client(&[]), &server.url()).expect_err(status).fault
    };
    for status in ["401 Unauthorized", "403 Forbidden"] {
        assert!(matches!(fault(status), Fault::Refused(_)), "{status}");
    }
    for status in ["404 Not Found", "410 Gone"] {
        assert!(matches!(fault(status), Fault::Gone(_)), "{status}");
    }
    let busy = fault("429 Too Many Requests");
    assert!(busy.is_temporary() && busy.pause() == Some(Duration::from_secs(7)), "{busy}");
    assert!(!fault("400 Bad Request").is_temporary());
}

#[test]
fn silence_ends_a_download_before_and_within_an_answer() {
    let server = Peer::start(|_| Vec::new());
    let error = get(&impatient(), &server.url()).expect_err("silence");
    assert_eq!(error.fault.to_string(), "nothing came for 2 s");
    let server = Peer::start(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome".to_vec());
    let error = get(&impatient(), &server.url()).expect_err("silence");
    assert!(matches!(error.fault, Fault::Silent(STALL)) && error.fault.is_temporary(), "{error}");
}

#[test]
fn an_answer_is_read_up_to_its_limit() {
    let server = Peer::start(|_| answer("200 OK", "", "0123456789"));
    let mut some = [0; 4];
    let mut body = client(&[]).get(&server.url()).send().expect("an answer");
    body.read_exact(&mut some).expect("four bytes");
    assert_eq!(&some, b"0123");
    let error = client(&[]).get(&server.url()).send().expect("an answer").bytes(9).expect_err("ten bytes");
    assert!(matches!(error.fault, Fault::Large(9)), "{error}");
}

#[test]
fn a_password_in_an_address_is_not_shown() {
    let server = Peer::start(|_| answer("404 Not Found", "", ""));
    let url = server.url().replace("http://", "http://user:secret@");
    let error = get(&client(&[]), &url).expect_err("404");
    assert!(!error.to_string().contains("secret"), "{error}");
    assert_eq!(server.requests()[0].header("authorization"), Some("Basic dXNlcjpzZWNyZXQ="));
}
