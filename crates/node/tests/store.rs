//! What a store promises, of each that there is.

use std::{
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use nthroot_node::{
    Action, Error, Result,
    store::{Change, Memory, Redb, SCHEMA, Store, Table},
};
use proptest::prelude::*;

type Row = (Vec<u8>, Vec<u8>);

fn rows(store: &dyn Store, table: Table) -> Vec<Row> {
    let mut rows = Vec::new();
    let each = &mut |key: &[u8], value: &[u8]| {
        rows.push((key.to_vec(), value.to_vec()));
        Ok(())
    };
    store.scan(table, each).unwrap();
    rows
}

fn row(key: &str, value: &str) -> Row {
    (key.as_bytes().to_vec(), value.as_bytes().to_vec())
}

fn conforms(store: &dyn Store) {
    for table in Table::ALL {
        assert_eq!(store.get(table, b"a").unwrap(), None);
        assert_eq!(rows(store, table), []);
    }

    // In the order of the keys, whatever the order of writing; the last change of a key counts; tables are apart.
    store
        .commit(&[
            Change::put(Table::Ledger, "b", "1"),
            Change::put(Table::Ledger, "ab", "2"),
            Change::put(Table::Code, "b", "3"),
            Change::put(Table::Ledger, "a", "4"),
            Change::put(Table::Ledger, "", ""),
            Change::put(Table::Ledger, "b", "5"),
            Change::delete(Table::Ledger, "ab"),
            Change::delete(Table::Ledger, "never there"),
        ])
        .unwrap();
    assert_eq!(rows(store, Table::Ledger), [row("", ""), row("a", "4"), row("b", "5")]);
    assert_eq!(rows(store, Table::Code), [row("b", "3")]);
    assert_eq!(store.get(Table::Ledger, b"").unwrap(), Some(Vec::new()));
    assert_eq!(store.get(Table::Ledger, b"ab").unwrap(), None);

    // A scan ends where it is told to, with the error that it is told.
    let (mut seen, stop) = (0, || Error::Model("enough".to_owned()));
    let ended = store.scan(Table::Ledger, &mut |_, _| {
        seen += 1;
        if seen == 2 { Err(stop()) } else { Ok(()) }
    });
    assert!(matches!(ended, Err(Error::Model(why)) if why == "enough"));
    assert_eq!(seen, 2);

    // It shows what there was when it began, and does not keep others from writing.
    let mut seen = Vec::new();
    let each = &mut |key: &[u8], _: &[u8]| {
        seen.push(key.to_vec());
        store.commit(&[Change::put(Table::Ledger, "c", "6"), Change::delete(Table::Ledger, "b")])
    };
    store.scan(Table::Ledger, each).unwrap();
    assert_eq!(seen, [b"".to_vec(), b"a".to_vec(), b"b".to_vec()]);
    assert_eq!(rows(store, Table::Ledger), [row("", ""), row("a", "4"), row("c", "6")]);

    // Of the tables that are replaced nothing stays but the changes; the others stay.
    let changes = [
        Change::put(Table::Ledger, "d", "7"),
        Change::put(Table::Intents, "e", "8"),
    ];
    store.replace(&[Table::Ledger, Table::Meta], &changes).unwrap();
    assert_eq!(rows(store, Table::Ledger), [row("d", "7")]);
    assert_eq!(rows(store, Table::Code), [row("b", "3")]);
    assert_eq!(rows(store, Table::Intents), [row("e", "8")]);
    store.replace(&Table::ALL, &[]).unwrap();
    assert!(Table::ALL.iter().all(|table| rows(store, *table).is_empty()));
}

#[test]
fn every_store_keeps_what_it_promises() {
    let folder = tempfile::tempdir().unwrap();
    conforms(&Memory::new());
    let path = folder.path().join("store");
    let redb = Redb::open(&path).unwrap();
    conforms(&redb);

    redb.commit(&[Change::put(Table::Outbox, "a", "b")]).unwrap();
    drop(redb);
    assert_eq!(rows(&Redb::open(&path).unwrap(), Table::Outbox), [row("a", "b")]);
}

fn change() -> impl Strategy<Value = Change> {
    let bytes = || proptest::collection::vec(0..3_u8, 0..3);
    let table = (0..Table::ALL.len()).prop_map(|table| Table::ALL[table]);
    (table, bytes(), proptest::option::of(bytes())).prop_map(|(table, key, value)| Change { table, key, value })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is changed, the file has the rows that a map would have, now and after it was opened again.
    #[test]
    fn a_file_holds_what_a_map_holds(
        commits in proptest::collection::vec(
            (proptest::collection::vec(change(), 0..20), proptest::sample::subsequence(Table::ALL.to_vec(), 0..3)),
            1..8,
        ),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let memory = Memory::new();
        for (changes, replaced) in commits {
            let redb = Redb::open(&path).unwrap();
            let stores: [&dyn Store; 2] = [&memory, &redb];
            for store in stores {
                store.replace(&replaced, &changes).unwrap();
            }
            for table in Table::ALL {
                prop_assert_eq!(rows(&memory, table), rows(&redb, table));
            }
        }
    }
}

fn refused(result: Result<Redb>) -> Error {
    let error = result.err().expect("the store is refused");
    assert_eq!(error.action(), Action::Halt, "{error}");
    error
}

#[test]
fn a_store_that_is_in_use_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let first = Redb::open(&path).unwrap();
    let error = refused(Redb::open(&path));
    assert!(matches!(&error, Error::StoreLocked(of) if *of == path), "{error}");
    assert!(error.to_string().contains(&path.display().to_string()));
    drop(first);
    Redb::open(&path).unwrap();
}

#[test]
fn a_file_that_is_no_store_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let text = b"the keys of somebody".repeat(1_000);
    std::fs::write(&path, &text).unwrap();
    let error = refused(Redb::open(&path));
    assert!(
        matches!(&error, Error::StoreDamaged { path: of, .. } if *of == path),
        "{error}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), text);
}

/// A process that is killed while it makes a store leaves one that others can open.
#[test]
fn a_store_that_was_half_made_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    // What redb has written when it is killed before its second flush: the whole file, without the first bytes.
    drop(Redb::open(&path).unwrap());
    let mut half = std::fs::read(&path).unwrap();
    half[..9].fill(0);
    std::fs::remove_file(&path).unwrap();
    std::fs::write(path.with_added_extension("new"), half).unwrap();
    Redb::open(&path)
        .unwrap()
        .commit(&[Change::put(Table::Ledger, *b"key", *b"value")])
        .unwrap();
    assert_eq!(rows(&Redb::open(&path).unwrap(), Table::Ledger), [row("key", "value")]);
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing else is left"
    );
}

/// Not a test by itself: the process that is killed.
#[test]
#[ignore = "a part of the next test, which starts it"]
fn child() {
    drop(Redb::open(std::env::var("NTHROOT_TEST_STORE").unwrap()).unwrap());
}

#[test]
fn a_process_that_is_killed_while_it_makes_a_store_leaves_one_that_opens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let young = path.with_added_extension("new");
    let mut halves = 0;
    for round in 0..60_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored"])
            .env("NTHROOT_TEST_STORE", &path)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // From the moment in which there is a file, ever a little later.
        let start = Instant::now();
        while !young.exists() && !path.exists() && start.elapsed() < Duration::from_secs(20) {
            std::hint::spin_loop();
        }
        std::thread::sleep(Duration::from_micros(50 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        halves += u64::from(!path.exists());
        Redb::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
    }
    assert!(halves >= 1, "one was killed in the midst of it");
}

/// What was altered is not taken for what was written: it is refused, or the alteration is of bytes that nothing uses.
#[test]
fn a_store_that_was_altered_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let value = |key: u32| key.to_be_bytes().repeat(16);
    let put = |key: u32| Change::put(Table::Ledger, key.to_be_bytes(), value(key));
    let changes: Vec<Change> = (0..2_000).map(put).collect();
    Redb::open(&path).unwrap().commit(&changes).unwrap();
    let good = std::fs::read(&path).unwrap();
    let expected = |store: &Redb| {
        let rows = rows(store, Table::Ledger);
        rows.len() == 2_000
            && (0..)
                .zip(rows)
                .all(|(key, row)| row == (u32::to_be_bytes(key).to_vec(), value(key)))
    };

    let mut refusals = 0;
    for at in (0..good.len()).step_by(good.len() / 60) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&path, bytes).unwrap();
        match Redb::open(&path) {
            Ok(store) => assert!(expected(&store), "byte {at}"),
            Err(error) => {
                refusals += 1;
                assert!(matches!(error, Error::StoreDamaged { .. }), "byte {at}: {error}");
            }
        }
    }
    assert!(refusals > 5, "{refusals}");
    std::fs::write(&path, &good[..good.len() / 2]).unwrap();
    assert!(matches!(refused(Redb::open(&path)), Error::StoreDamaged { .. }));
}

#[test]
fn a_store_of_another_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    drop(Redb::open(&path).unwrap());
    let database = redb::Database::open(&path).unwrap();
    let schema = redb::TableDefinition::<'_, (), u32>::new("schema");
    let transaction = database.begin_write().unwrap();
    transaction.open_table(schema).unwrap().insert((), SCHEMA + 1).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = refused(Redb::open(&path));
    assert!(
        matches!(error, Error::StoreVersion { expected: SCHEMA, found, .. } if found == SCHEMA + 1),
        "{error}"
    );
}

#[test]
fn a_disk_that_fails_is_no_reason_to_halt() {
    let folder = tempfile::tempdir().unwrap();
    let error = Redb::open(folder.path().join("no such folder/store")).err().unwrap();
    assert!(matches!(error, Error::Store { .. }), "{error}");
    assert_eq!(error.action(), Action::Retry);
}

#[test]
fn threads_share_a_store_and_each_commit_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(Redb::open(folder.path().join("store")).unwrap());
    std::thread::scope(|scope| {
        for writer in 0..4_u8 {
            let store = &store;
            scope.spawn(move || {
                for round in 0..20_u8 {
                    let row = |key: u8| Change::put(Table::Intents, [writer, key], [round]);
                    store.commit(&[row(0), row(1), row(2)]).unwrap();
                }
            });
        }
        for _ in 0..40 {
            let rows = rows(&*store, Table::Intents);
            assert!(
                rows.chunks(3)
                    .all(|commit| commit.iter().all(|row| row.1 == commit[0].1)),
                "{rows:?}"
            );
        }
    });
    assert_eq!(rows(&*store, Table::Intents).len(), 12);
}
