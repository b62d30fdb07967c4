use super::counts::Counts;
use super::judge;

#[test]
fn the_summary_of_nextest_is_read() {
    let output = "  PASS [ 0.1s] a\n    test result: FAILED. 0 passed; 1 failed; 0 ignored\n     Summary [   1.2s] 6 tests run: 4 passed (1 slow), 1 failed, 1 timed out, 2 skipped\n";
    assert_eq!(Counts::read(output), Counts { passed: 4, failed: 2, ignored: 2 });
}

#[test]
fn a_coloured_summary_is_read() {
    let output = "\u{1b}[32;1m     Summary\u{1b}[0m [   0.2s] \u{1b}[1m3\u{1b}[0m tests run: \u{1b}[1m3\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, \u{1b}[1m0\u{1b}[0m skipped";
    assert_eq!(Counts::read(output), Counts { passed: 3, failed: 0, ignored: 0 });
}

#[test]
fn the_results_of_all_binaries_of_cargo_test_are_added() {
    let output = "test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s\n\
                  test result: FAILED. 1 passed; 3 failed; 0 ignored; 0 measured; 9 filtered out";
    assert_eq!(Counts::read(output), Counts { passed: 3, failed: 3, ignored: 1 });
}

#[test]
fn a_failure_no_test_and_in_ci_a_skip_are_failures() {
    let passed = Counts { passed: 1, ..Counts::default() };
    assert!(judge(passed, 0, true).is_ok());
    assert!(judge(passed, 1, false).is_ok());
    assert!(judge(passed, 1, true).is_err());
    assert!(judge(Counts::default(), 0, false).is_err());
    assert!(judge(Counts { failed: 1, ..passed }, 0, false).is_err());
}
