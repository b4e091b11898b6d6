//! The keystore: files that others can read, and that open with their password only.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

/// A keystore of its own, with a password.
struct Keys {
    dir: PathBuf,
}

impl Keys {
    fn new(name: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        let keys = Self { dir };
        keys.set_password("right");
        keys
    }

    fn path(&self, file: &str) -> String {
        self.dir.join(file).to_str().unwrap().to_owned()
    }

    fn set_password(&self, password: &str) {
        fs::write(self.dir.join("password"), format!("{password}\n")).unwrap();
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_nthroot"))
            .args(args)
            .env("NTHROOT_KEYS", self.path("keys"))
            .env("NTHROOT_PASSWORD_FILE", self.path("password"))
            .env_remove("NTHROOT_KEY")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn ask(&self, args: &[&str]) -> Value {
        let output = self.run(&[args, &["--json"]].concat());
        assert!(
            output.status.success(),
            "{args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn refuse(&self, args: &[&str], says: &str) {
        let output = self.run(args);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {error}");
        assert!(error.contains(says), "{args:?}: {error}");
    }

    fn secret(&self, name: &str) -> String {
        let output = self.run(&["key", "export", name, "--yes"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

#[test]
fn a_key_is_what_it_was_after_the_keystore_and_back() {
    let keys = Keys::new("keystore");
    for curve in ["secp256k1", "p256"] {
        let made = keys.ask(&["key", "new", curve, "--curve", curve]);
        assert_eq!(
            (made["name"].as_str(), made["curve"].as_str()),
            (Some(curve), Some(curve))
        );
        assert_eq!(keys.ask(&["key", "show", curve]), made);
        let file = keys.path("secret");
        fs::write(&file, keys.secret(curve)).unwrap();
        let again = format!("{curve}-again");
        let imported = keys.ask(&["key", "import", &again, "--secret-file", &file, "--curve", curve]);
        assert_eq!(imported["key"], made["key"]);
        assert_eq!(keys.secret(&again), keys.secret(curve));
    }
    let listed = keys.ask(&["key", "list"]);
    let names: Vec<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["p256", "p256-again", "secp256k1", "secp256k1-again"]);
    assert!(listed[0]["key"].as_str().unwrap().starts_with("p256:0x"));
}

#[test]
fn a_wrong_password_opens_nothing_and_names_are_taken_once() {
    let keys = Keys::new("passwords");
    keys.ask(&["key", "new", "alice"]);
    keys.set_password("wrong");
    keys.refuse(
        &["key", "export", "alice", "--yes"],
        "the password of alice is another one",
    );
    keys.set_password("right");
    keys.refuse(&["key", "export", "alice"], "not written");
    keys.refuse(&["key", "new", "alice"], "there is an account alice already");
    keys.refuse(&["key", "show", "bob"], "`nthroot key list`");
    keys.refuse(&["key", "new", "../alice"], "not the name of an account");
    keys.set_password("");
    keys.refuse(&["key", "new", "bob"], "the password is empty");
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let keys = Keys::new("modes");
    let made = keys.ask(&["key", "new", "alice"]);
    let mode = |path: &str| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(made["file"].as_str().unwrap()), 0o600);
    assert_eq!(mode(&keys.path("keys")), 0o700);
    assert!(
        keys.run(&["key", "export", "alice", "--yes", "--out", &keys.path("out")])
            .status
            .success()
    );
    assert_eq!(mode(&keys.path("out")), 0o600);
    // Nothing else is left behind.
    assert_eq!(fs::read_dir(keys.path("keys")).unwrap().count(), 1);
}

/// The vector of the Web3 Secret Storage definition, whose password is `testpassword`. Like Foundry's files it says no address.
const VECTOR: &str = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"6087dab2f9fdbbfaddc31a909735c1e6"},"ciphertext":"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46","kdf":"pbkdf2","kdfparams":{"c":262144,"dklen":32,"prf":"hmac-sha256","salt":"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},"mac":"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},"id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}"#;

#[test]
fn a_file_of_another_keystore_is_taken_over_as_it_is() {
    let keys = Keys::new("imports");
    let file = keys.path("vector.json");
    fs::write(&file, VECTOR).unwrap();
    keys.refuse(&["key", "import", "vector", "--keystore", &file], "another one");
    keys.set_password("testpassword");
    let imported = keys.ask(&["key", "import", "vector", "--keystore", &file]);
    let address = imported["key"].as_str().unwrap().to_lowercase();
    assert_eq!(address, "0x008aeeda4d805471df9b2a5b0f38a0c3bcba786b");
    assert_eq!(fs::read_to_string(imported["file"].as_str().unwrap()).unwrap(), VECTOR);
    assert_eq!(
        keys.secret("vector"),
        "0x7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d"
    );
    for wrong in ["{}", r#"{"version":3}"#, &VECTOR.replace("\"iv\":\"60", "\"iv\":\"")] {
        fs::write(&file, wrong).unwrap();
        keys.refuse(&["key", "import", "wrong", "--keystore", &file], "is no keystore file");
    }
}
