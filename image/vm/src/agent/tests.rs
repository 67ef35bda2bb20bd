//! The agent's client against a scripted port.

use super::*;
use crate::testing::{Act, Server, serve};

const TIMEOUT: Duration = Duration::from_secs(20);

/// The agent's answer to `guest-sync-delimited`.
fn sync() -> Act {
    Act::Answer(Box::new(|request| sync_answer(&request["arguments"]["id"])))
}

fn sync_answer(id: &Value) -> Vec<u8> {
    [b"\xFF{\"return\": ", id.to_string().as_bytes(), b"}\n"].concat()
}

fn answer(text: &'static str) -> Act {
    Act::answer(move |_| format!("{text}\n"))
}

fn agent(script: Vec<Act>) -> (Server, Agent) {
    let server = serve(script);
    let agent = Agent::connect(&server.path).unwrap();
    (server, agent)
}

#[test]
fn a_program_is_followed_to_its_end() {
    let end = "{\"return\": {\"exited\": true, \"exitcode\": 3, \"out-data\": \"aGkK\", \"err-data\": \"b2ggbm8K\"}}";
    let script =
        vec![sync(), answer("{\"return\": {\"pid\": 7}}"), answer("{\"return\": {\"exited\": false}}"), answer(end)];
    let (_server, mut agent) = agent(script);
    let output = agent.exec("x", TIMEOUT).unwrap();
    assert_eq!((output.exit_code, output.stdout_text(), output.stderr_text()), (Some(3), "hi".into(), "oh no".into()));
}

#[test]
fn a_program_that_a_signal_ended_has_no_exit_code() {
    let end = "{\"return\": {\"exited\": true, \"signal\": 9}}";
    let (_server, mut agent) = agent(vec![sync(), answer("{\"return\": {\"pid\": 7}}"), answer(end)]);
    assert_eq!(agent.exec("x", TIMEOUT).unwrap().exit_code, None);
}

#[test]
fn stale_bytes_and_stale_answers_are_skipped() {
    let stale = [b"rubbish {\"return\": {}}\n".to_vec(), sync_answer(&json!(0)), b"\xFF\xFFhalf".to_vec()].concat();
    let (_server, mut agent) = agent(vec![Act::Send(stale), sync(), answer("{\"return\": {}}")]);
    agent.ping(TIMEOUT).unwrap();
}

#[test]
fn an_agent_that_comes_late_is_asked_again() {
    // The first request is lost; the second arrives some seconds later.
    let (_server, mut agent) = agent(vec![Act::answer(|_| String::new()), sync(), answer("{\"return\": {}}")]);
    agent.ping(TIMEOUT).unwrap();
    assert_eq!(agent.last_sync, 2);
}

#[test]
fn no_agent_is_a_time_out() {
    let (_server, mut agent) = agent(vec![Act::Pause(2000)]);
    let error = agent.ping(Duration::from_millis(100)).unwrap_err();
    assert_eq!(error.to_string(), "guest agent, guest-sync-delimited: no answer in time");
}

#[test]
fn after_an_error_the_next_command_synchronises_again() {
    let garbage = Act::answer(|_| "garbage\n".into());
    let (_server, mut agent) = agent(vec![sync(), garbage, sync(), answer("{\"return\": {}}")]);
    assert!(matches!(agent.ping(TIMEOUT), Err(Error::Protocol { .. })));
    agent.ping(TIMEOUT).unwrap();
}

#[test]
fn a_huge_answer_is_cut_and_what_follows_still_works() {
    let flood = Act::answer(|_| format!("{{\"return\": \"{}\"}}\n", "x".repeat(LINE_LIMIT + 100_000)));
    let (_server, mut agent) = agent(vec![sync(), flood, sync(), answer("{\"return\": {}}")]);
    let error = agent.ping(TIMEOUT).unwrap_err();
    assert!(matches!(error, Error::Line { source: LineError::TooLong { .. }, .. }), "{error}");
    agent.ping(TIMEOUT).unwrap();
}

#[test]
fn answers_of_the_wrong_shape_are_protocol_errors() {
    for shape in ["{}", "[]", "1", "{\"return\": {\"pid\": \"seven\"}}"] {
        let (_server, mut agent) = agent(vec![sync(), answer(shape)]);
        let error = agent.start("x", TIMEOUT).unwrap_err();
        assert!(matches!(error, Error::Protocol { .. }), "{shape}: {error}");
    }
    let not_base64 = "{\"return\": {\"exited\": true, \"exitcode\": 0, \"out-data\": \"%%\"}}";
    let (_server, mut agent) = agent(vec![sync(), answer("{\"return\": {\"pid\": 7}}"), answer(not_base64)]);
    assert!(matches!(agent.exec("x", TIMEOUT), Err(Error::Protocol { .. })));
}

#[test]
fn a_refusal_carries_the_reason_and_keeps_the_conversation() {
    let refused = "{\"error\": {\"class\": \"GenericError\", \"desc\": \"guest-exec is disabled\"}}";
    let (_server, mut agent) = agent(vec![sync(), answer(refused), answer("{\"return\": {}}")]);
    let error = agent.start("x", TIMEOUT).unwrap_err();
    assert_eq!(error.to_string(), "guest agent, guest-exec: guest-exec is disabled");
    agent.ping(TIMEOUT).unwrap();
}

#[test]
fn a_program_without_end_is_killed_in_the_guest() {
    let running = || answer("{\"return\": {\"exited\": false}}");
    let kill = Act::answer(|request| {
        assert_eq!(request["arguments"]["arg"][1], "kill -KILL -- -7 || kill -KILL 7");
        "{\"return\": {\"pid\": 8}}\n".into()
    });
    let script = vec![sync(), answer("{\"return\": {\"pid\": 7}}"), running(), running(), running(), kill];
    let (server, mut agent) = agent(script);
    let error = agent.exec("sleep 99", Duration::from_millis(150)).unwrap_err();
    assert_eq!(error.to_string(), "`sleep 99` did not end within 0.15 s");
    server.finish();
}

#[test]
fn a_clock_that_was_set_is_set_though_the_hardwares_was_not() {
    // What the agent says where the guest has no hwclock.
    const REFUSED: &str =
        "{\"error\": {\"class\": \"GenericError\", \"desc\": \"hwclock failed to set hardware clock\"}}";
    let hour = Duration::from_secs(3600);
    let set = || {
        Act::answer(|request| {
            assert_eq!(
                (&request["execute"], &request["arguments"]["time"]),
                (&json!("guest-set-time"), &json!(3600e9 as u64))
            );
            format!("{REFUSED}\n")
        })
    };
    let (server, mut agent) = agent(vec![sync(), set(), answer("{\"return\": 3600500000000}")]);
    agent.set_time(hour, TIMEOUT).unwrap();
    server.finish();
    let (_server, mut agent) = self::agent(vec![sync(), set(), answer("{\"return\": 0}")]);
    let error = agent.set_time(hour, TIMEOUT).unwrap_err();
    assert_eq!(error.to_string(), "guest agent, guest-set-time: hwclock failed to set hardware clock");
}
