//! Certificates and keys that cannot be used: the real binary does not start, and says which file and why.

use std::path::{Path, PathBuf};
use std::process::Command;

use hasses_tests::{Authority, Certificate, Finished, binary, finish, required};

fn start(pairs: &[(&Path, &Path)]) -> Finished {
    let mut command = Command::new(binary("hasses"));
    command.args(["--listen-tls", "127.0.0.1:0", "--control", "tcp://127.0.0.1:0"]);
    for (certificate, key) in pairs {
        command.arg("--tls-cert").arg(certificate).arg("--tls-key").arg(key);
    }
    finish(&mut command)
}

/// It does not start, and its last word names the file and says all of the parts.
fn assert_fault(pairs: &[(&Path, &Path)], file: &Path, parts: &[&str]) {
    let ended = start(pairs);
    assert_eq!(ended.code, 1, "{pairs:?}: {}{}", ended.stdout, ended.stderr);
    let name = file.display().to_string();
    for part in parts.iter().copied().chain(["hasses: TLS: ", name.as_str()]) {
        assert!(ended.stderr.contains(part), "{pairs:?}: no {part:?} in {}", ended.stderr);
    }
    assert_eq!(ended.stderr.lines().count(), 1, "one line: {}", ended.stderr);
}

struct Files {
    folder: tempfile::TempDir,
    authority: Authority,
    good: Certificate,
}

fn files() -> Files {
    let (folder, authority) = (tempfile::tempdir().expect("a temporary folder"), Authority::default());
    let good = authority.issue(&["good.example"]).save(folder.path(), "good");
    Files { folder, authority, good }
}

impl Files {
    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, content).expect("a file");
        path
    }
}

#[test]
fn the_key_of_another_certificate() {
    let files = files();
    let other = files.authority.issue(&["other.example"]).save(files.path(), "other");
    let pairs = [(&*files.good.certificate, &*other.key)];
    assert_fault(&pairs, &other.key, &["good.pem", "is not the one of the certificate", "mixed up?"]);
    // Two that stand in the wrong order.
    let pairs = [(&*files.good.certificate, &*other.key), (&*other.certificate, &*files.good.key)];
    assert_fault(&pairs, &other.key, &["good.pem", "mixed up?"]);
}

#[test]
fn files_that_hold_something_else() {
    let files = files();
    let (certificate, key) = (&*files.good.certificate, &*files.good.key);
    assert_fault(
        &[(key, certificate)],
        key,
        &["there is no certificate in it, but a private key: are tls-cert and tls-key swapped?"],
    );
    assert_fault(&[(certificate, certificate)], certificate, &["no private key", "PKCS#8, PKCS#1 or SEC1"]);
    let empty = files.file("empty.pem", "");
    assert_fault(&[(&empty, key)], &empty, &["there is no certificate in it"]);
    assert_fault(&[(certificate, &empty)], &empty, &["no private key"]);
    let binary = files.file("binary.pem", [0, 159, 146, 150, b'\n', 255]);
    assert_fault(&[(&binary, key)], &binary, &["no certificate"]);
    assert_fault(&[(certificate, &binary)], &binary, &["no private key"]);
    let broken = files.file("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA!\n-----END CERTIFICATE-----\n");
    assert_fault(&[(&broken, key)], &broken, &["no PEM file of certificates"]);
    let nonsense = files.file("nonsense.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assert_fault(&[(&nonsense, key)], &nonsense, &["certificate 1 in it cannot be read"]);
    let text = std::fs::read_to_string(certificate).expect("text");
    let cut = files.file("cut.pem", &text[..text.len() / 2]);
    assert_fault(&[(&cut, key)], &cut, &["no PEM file of certificates"]);
    let text = std::fs::read_to_string(key).expect("text");
    let cut = files.file("cut.key", &text[..text.len() / 2]);
    assert_fault(&[(certificate, &cut)], &cut, &["no private key"]);
}

#[test]
fn files_that_cannot_be_read() {
    let files = files();
    let (certificate, key) = (&*files.good.certificate, &*files.good.key);
    let missing = files.path().join("missing.pem");
    assert_fault(&[(&missing, key)], &missing, &["cannot be read", "No such file"]);
    assert_fault(&[(certificate, &missing)], &missing, &["cannot be read", "No such file"]);
    assert_fault(&[(files.path(), key)], files.path(), &["cannot be read", "Is a directory"]);
    assert_fault(&[(certificate, files.path())], files.path(), &["cannot be read", "Is a directory"]);
}

#[test]
fn certificates_out_of_their_time() {
    let files = files();
    let expired = files.authority.issue_for_years(&["old.example"], 2001, 2002).save(files.path(), "expired");
    let parts = ["CN=old.example", "expired at 2002-01-01"];
    assert_fault(&[(&expired.certificate, &expired.key)], &expired.certificate, &parts);
    // Not only the first pair is looked at.
    let pairs = [(&*files.good.certificate, &*files.good.key), (&expired.certificate, &expired.key)];
    assert_fault(&pairs, &expired.certificate, &parts);
    // Nor only the first of a file.
    let chain =
        [&files.good.certificate, &expired.certificate].map(|path| std::fs::read_to_string(path).expect("text"));
    let chain = files.file("chain.pem", chain.concat());
    assert_fault(
        &[(&chain, &files.good.key)],
        &chain,
        &["certificate 2 in it (CN=old.example)", "expired at 2002-01-01"],
    );
    let early = files.authority.issue_for_years(&["new.example"], 2200, 2300).save(files.path(), "early");
    let parts = ["CN=new.example", "is not valid before 2200-01-01", "is the clock right?"];
    assert_fault(&[(&early.certificate, &early.key)], &early.certificate, &parts);
}

#[test]
fn keys_with_a_password() {
    if required("openssl").is_none() {
        return;
    }
    let files = files();
    for (name, option) in [("pkcs8.key", "pkcs8 -topk8 -v2 aes-256-cbc"), ("sec1.key", "ec -aes256")] {
        let encrypt = format!("{option} -in good.key -out {name} -passout pass:secret");
        let ended = finish(Command::new("openssl").args(encrypt.split(' ')).current_dir(files.path()));
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let key = files.path().join(name);
        assert!(std::fs::read_to_string(&key).expect("text").contains("ENCRYPTED"));
        assert_fault(&[(&files.good.certificate, &key)], &key, &["password"]);
    }
}

#[test]
fn flags_that_do_not_go_together_are_wrong_usage() {
    let files = files();
    let (certificate, key) = (files.good.certificate.display(), files.good.key.display());
    for (flags, part) in [
        (vec!["--listen-tls=127.0.0.1:0".to_owned()], "listen-tls needs a certificate"),
        (vec![format!("--tls-cert={certificate}"), format!("--tls-key={key}")], "have no use without listen-tls"),
        (vec!["--listen-tls=127.0.0.1:0".to_owned(), format!("--tls-key={key}")], "needs a certificate"),
        (
            vec!["--listen-tls=127.0.0.1:0".to_owned(), format!("--tls-cert={certificate}")],
            "each tls-cert needs its tls-key, and there are 1 and 0 of them",
        ),
    ] {
        let ended = finish(Command::new(binary("hasses")).args(&flags));
        assert_eq!(ended.code, 2, "{flags:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(part), "{flags:?}: {}", ended.stderr);
    }
}
