//! x
#[test]
fn write() {
    nthroot_bench::spectrum::table::write().unwrap();
}
