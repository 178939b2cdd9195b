//! G10 in a fleet: tokens that have expired on arrival.

use tokio::time::sleep;

use super::*;

fn dead() -> Outcome {
    Outcome::token(AccessToken::new("fake-token-dead").expires_in(Duration::ZERO))
}

#[tokio::test(start_paused = true)]
async fn g10f_expired_tokens_cost_a_fleet_of_twenty_as_much_as_an_outage() {
    fastrand::seed(10);
    let fleet = Fleet::new();
    fleet.source.script.always(dead());
    let processes = fleet.processes(20);
    for _ in 0..MINUTE.as_secs() {
        tokens(&processes).await;
        sleep(SECOND).await;
    }
    let minute = fleet.token_requests();
    for _ in 0..HOUR.as_secs() {
        tokens(&processes).await;
        sleep(SECOND).await;
    }
    let hour = fleet.token_requests() - minute;
    println!("{minute} in the first minute, {hour} in the hour after it");
    assert!(minute <= 30, "{minute}");
    assert!(hour <= 160, "{hour}");
}

#[tokio::test(start_paused = true)]
async fn g10f_expired_tokens_during_a_renewal_cost_a_dozen_token_requests() {
    for processes in [1, 20] {
        fastrand::seed(10);
        let fleet = Fleet::new();
        let processes = fleet.processes(processes);
        tokens(&processes).await;
        fleet.source.script.always(dead());
        for _ in 0..59 * 60 {
            for told in tokens(&processes).await {
                assert_eq!(told.unwrap(), "Bearer fake-token-1");
            }
            sleep(SECOND).await;
        }
        let requests = fleet.token_requests() - 1;
        println!("{} processes: {requests} token requests", processes.len());
        assert!((10..=60).contains(&requests), "{requests}");
    }
}
