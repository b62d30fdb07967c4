use super::*;

#[tokio::test]
async fn a_sleep_on_the_manual_clock_ends_only_when_its_time_has_come() {
    let clock = ManualClock::at_unix_ms(1_000);
    let sleep = clock.sleep(Duration::from_secs(5));
    tokio::pin!(sleep);

    clock.advance(Duration::from_millis(4_999));
    assert!(futures_pending(&mut sleep).await);

    clock.advance(Duration::from_millis(1));
    sleep.await;
    assert_eq!(clock.unix_ms(), 6_000);
}

#[test]
fn setting_the_wall_clock_moves_no_monotonic_time_and_suspension_neither() {
    let clock = ManualClock::at_unix_ms(10_000);
    clock.step_wall(-3_000);
    clock.suspend(Duration::from_secs(60));
    assert_eq!(clock.unix_ms(), 67_000);
    assert_eq!(clock.monotonic(), Duration::ZERO);
}

async fn futures_pending(sleep: &mut (impl Future<Output = ()> + Unpin)) -> bool {
    std::future::poll_fn(|cx| std::task::Poll::Ready(Pin::new(&mut *sleep).poll(cx).is_pending())).await
}

#[test]
fn the_cheap_reading_of_both_clocks_is_behind_the_exact_one_by_a_tick_at_most() {
    // As long as a tick of the slowest kernel, and then some for a busy machine.
    const MOST: Duration = Duration::from_millis(500);
    let clock = SystemClock::new();
    for _ in 0..1000 {
        let (before_ms, before) = clock.both();
        let (exact_ms, exact) = (clock.unix_ms(), clock.monotonic());
        assert!(before_ms <= exact_ms && before <= exact);
        assert!(exact_ms - before_ms < 500 && exact - before < MOST);
        assert!(clock.both().1 >= before);
    }
}
