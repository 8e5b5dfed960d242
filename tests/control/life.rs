//! The whole life of a container, on every runtime.

use oci_minidump::control::{Event, ExecRequest, ExitStatus, Listed, StartRequest, State};
use oci_minidump::error::ErrorKind;

use crate::support::manager_world::{LONG, ManagerWorld, next, until};
use crate::support::test_runtimes::runtimes;

#[tokio::test]
async fn from_start_to_stop() {
    for runtime in runtimes() {
        let world = ManagerWorld::new("life", runtime);
        let manager = world.open().await;
        let mut events = manager.subscribe();
        let (id, bundle) = (world.id("a"), world.sleeper("b"));

        let descriptor = world.start(&manager, &id, &bundle).await;
        assert_eq!(descriptor, 734, "the first of Dobby's descriptors");
        assert_eq!(manager.list(), [Listed { descriptor, id: id.clone() }]);
        assert_eq!(manager.state(&id).unwrap(), State::Running);
        for name in [id.as_str(), "734"] {
            assert_eq!(manager.resolve(name).unwrap(), id);
        }
        let again = manager.start(StartRequest::new(id.clone(), &bundle)).await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::Busy, "{}", again.report());

        manager.pause(&id).await.unwrap();
        assert_eq!(manager.state(&id).unwrap(), State::Paused);
        for refused in [
            manager.pause(&id).await,
            manager.exec(&id, ExecRequest::parse("true", "").unwrap()).await,
            manager.delete(&id, false).await,
        ] {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::Busy);
        }
        manager.resume(&id).await.unwrap();
        assert_eq!(manager.state(&id).unwrap(), State::Running);
        assert_eq!(manager.resume(&id).await.unwrap_err().kind(), ErrorKind::Busy);

        manager.exec(&id, ExecRequest::parse("echo 'from  within'", "").unwrap()).await.unwrap();
        until("the command has spoken", || world.log(&manager, &id).contains("from  within\n")).await;

        manager.stop(&id, false).await.unwrap();
        assert_eq!(manager.wait(&id, Some(LONG)).await.unwrap(), ExitStatus::Code(0));
        assert_eq!(next(&mut events).await, Event::Started { id: id.clone(), descriptor });
        let stopped = Event::Stopped { id: id.clone(), descriptor, exit: ExitStatus::Code(0) };
        assert_eq!(next(&mut events).await, stopped);
        assert!(crate::support::manager_world::is_quiet(&mut events), "pause, resume and exec are no events");
        world.nothing_is_left(&manager).await;
        assert!(world.log(&manager, &id).contains("from  within"), "the log outlives the container");
        assert_eq!(manager.health().degraded, [""; 0]);
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let world = ManagerWorld::new("nobody", "crun");
    let manager = world.open().await;
    let id = world.id("nobody");
    let run = ExecRequest::parse("true", "").unwrap();
    let errors = [
        manager.resolve(id.as_str()).map(drop),
        manager.resolve("734").map(drop),
        manager.state(&id).map(drop),
        manager.info(&id).await.map(drop),
        manager.stop(&id, true).await,
        manager.pause(&id).await,
        manager.resume(&id).await,
        manager.exec(&id, run.clone()).await,
        manager.exec_wait(&id, run, Default::default()).await.map(drop),
        manager.delete(&id, true).await,
        manager.wait(&id, None).await.map(drop),
        manager.logs(id.as_str(), None, 1).map(drop),
    ];
    for error in errors {
        assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
    }
    for bad in ["--root=/x", "../x", "", "a/b"] {
        assert_eq!(manager.resolve(bad).unwrap_err().kind(), ErrorKind::Input);
        assert_eq!(manager.logs(bad, None, 1).unwrap_err().kind(), ErrorKind::Input);
    }
}

#[tokio::test]
async fn how_it_ended_is_told() {
    let cases = [
        ("exit 0", ExitStatus::Code(0)),
        ("exit 7", ExitStatus::Code(7)),
        ("echo last words; exit 255", ExitStatus::Code(255)),
        ("true", ExitStatus::Code(0)),
    ];
    let world = ManagerWorld::new("ended", "crun");
    let manager = world.open().await;
    for (number, (script, expected)) in cases.into_iter().enumerate() {
        let mut events = manager.subscribe();
        let (id, bundle) = (world.id(&format!("a{number}")), world.script(&format!("b{number}"), script));
        let descriptor = world.start(&manager, &id, &bundle).await;
        assert_eq!(manager.wait(&id, Some(LONG)).await.unwrap(), expected, "{script}");
        assert_eq!(next(&mut events).await, Event::Started { id: id.clone(), descriptor });
        assert_eq!(next(&mut events).await, Event::Stopped { id: id.clone(), descriptor, exit: expected });
        assert_eq!(manager.wait(&id, None).await.unwrap(), expected, "it is remembered");
    }
    assert_eq!(world.log(&manager, &world.id("a2")), "last words\n");
    world.nothing_is_left(&manager).await;
}
