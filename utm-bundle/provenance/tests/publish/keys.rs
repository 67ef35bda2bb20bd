//! Signatures, and keys of the program `minisign`.

use std::fs;
use std::path::Path;
use std::process::Command;

use helix_provenance::{Key, PASSWORD_VARIABLE, password};
use minisign_verify::{PublicKey, Signature};

use crate::support::{PAIR, PASSWORD, World, generate, minisign_verify, run};

/// The line of a public key's file that is the key.
fn public_line(path: &Path) -> String {
    fs::read_to_string(path).unwrap().lines().nth(1).unwrap().to_owned()
}

#[test]
fn the_program_and_another_library_accept_each_signature() {
    let world = World::new();
    let key = &PAIR.key;
    assert_eq!(key.public(), public_line(&PAIR.public));
    let reader = PublicKey::from_base64(&key.public()).unwrap();
    for one in world.publish(Some(key)).unwrap() {
        let name = one.path.file_name().unwrap().to_str().unwrap().to_owned();
        let said = minisign_verify(&one.path, &PAIR.public).unwrap();
        assert!(said.contains(&format!("Trusted comment: file:{name}")), "{said}");
        let signature = Signature::from_file(format!("{}.minisig", one.path.display())).unwrap();
        reader.verify(&fs::read(&one.path).unwrap(), &signature, false).unwrap();
    }
}

#[test]
fn a_flipped_byte_another_file_and_another_key_are_found() {
    let world = World::new();
    world.publish(Some(&PAIR.key)).unwrap();
    let public = PAIR.public.clone();
    let [dmg, zip] = world.files();
    let good = fs::read(&dmg).unwrap();
    let mut bad = good.clone();
    bad[299_999] ^= 0x80;
    fs::write(&dmg, bad).unwrap();
    assert!(minisign_verify(&dmg, &public).unwrap_err().contains("Signature verification failed"));
    fs::write(&dmg, good).unwrap();
    minisign_verify(&dmg, &public).unwrap();
    // A comment that says another name is no longer the one that was signed.
    let path = format!("{}.minisig", dmg.display());
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("file:Helix.dmg", "file:helix.dmg")).unwrap();
    assert!(minisign_verify(&dmg, &public).unwrap_err().contains("Comment signature verification failed"));
    let (_, other) = generate(&world.path(""), &["-W"], "");
    assert!(minisign_verify(&zip, &other).is_err());
}

#[test]
fn a_key_opens_with_its_password_alone_and_nobody_is_asked() {
    let error = |word: Option<&str>| Key::open(&PAIR.secret, word).unwrap_err().to_string();
    assert!(error(Some("wrong")).contains("the password is wrong"), "{}", error(Some("wrong")));
    assert!(error(None).contains("needs its password") && error(None).contains(PASSWORD_VARIABLE), "{}", error(None));
}

#[test]
fn what_the_program_signs_another_library_reads_with_our_public_key() {
    let world = World::new();
    let file = world.files()[0].clone();
    let mut sign = Command::new("minisign");
    run(sign.arg("-Sm").arg(&file).arg("-s").arg(&PAIR.secret), &format!("{PASSWORD}\n")).unwrap();
    let signature = Signature::from_file(format!("{}.minisig", file.display())).unwrap();
    PublicKey::from_base64(&PAIR.key.public()).unwrap().verify(&fs::read(&file).unwrap(), &signature, false).unwrap();
}

#[test]
fn what_is_no_key_says_so_and_nothing_of_the_secret_is_told() {
    let world = World::new();
    let path = world.path("key");
    let open = |bytes: &str| {
        fs::write(&path, bytes).unwrap();
        Key::open(&path, Some(PASSWORD)).unwrap_err().to_string()
    };
    let text = fs::read_to_string(&PAIR.secret).unwrap();
    for bad in
        ["", "one line", "untrusted comment: x\nno base64!", &text[..100], &fs::read_to_string(&PAIR.public).unwrap()]
    {
        let error = open(bad);
        assert!(error.contains("is not what `minisign -G` writes") && error.contains("/key: "), "{bad:?}: {error}");
    }
    // One byte of the key itself: the checksum tells.
    let mut line = text.lines().nth(1).unwrap().to_owned();
    let other = if line.as_bytes()[150] == b'A' { "B" } else { "A" };
    line.replace_range(150..151, other);
    assert!(open(&format!("untrusted comment: x\n{line}\n")).contains("or the file is damaged"));
    let (open_one, _) = generate(&world.path(""), &["-W"], "");
    assert!(open(&fs::read_to_string(open_one).unwrap()).contains("has no password; make one that has"));
    fs::remove_file(&path).unwrap();
    assert!(Key::open(&path, None).unwrap_err().to_string().contains("reading the secret key"));
    let shown = format!("{:?}", PAIR.key);
    assert!(shown.len() < 70 && shown.starts_with("Key(RW"), "{shown}");
}

#[test]
fn signatures_of_an_earlier_time_do_not_stay_beside_other_files() {
    let world = World::new();
    world.publish(Some(&PAIR.key)).unwrap();
    assert_eq!(world.out().iter().filter(|name| name.ends_with(".minisig")).count(), 3);
    world.publish(None).unwrap();
    assert_eq!(world.out().iter().filter(|name| name.ends_with(".minisig")).count(), 0);
}

#[test]
fn the_password_is_the_first_line_of_a_file() {
    let world = World::new();
    let path = world.path("password");
    fs::write(&path, "a word with spaces \nand more\n").unwrap();
    assert_eq!(password("HELIX_UNSET", Some(&path)).unwrap().as_deref(), Some("a word with spaces "));
    fs::remove_file(&path).unwrap();
    assert!(password("HELIX_UNSET", Some(&path)).unwrap_err().to_string().contains("reading the password"));
}

#[test]
fn without_a_file_the_password_is_that_of_the_environment() {
    // A process of its own, because the environment belongs to all tests of this one.
    for (value, told) in
        [(Some("from the environment"), "Some(\"from the environment\")"), (Some(""), "None"), (None, "None")]
    {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "keys::tells_the_password", "--ignored", "--nocapture"]).env_remove(PASSWORD_VARIABLE);
        child.envs(value.map(|value| (PASSWORD_VARIABLE, value)));
        let said = run(&mut child, "").unwrap();
        assert!(said.contains(&format!("password: {told}")), "{said}");
    }
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn tells_the_password() {
    println!("password: {:?}", password(PASSWORD_VARIABLE, None).unwrap());
}
