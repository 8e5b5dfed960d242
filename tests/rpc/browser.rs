//! The page in a real browser: what a user does with it, and what a container cannot do to it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::dumps::dumping;
use crate::support::daemon_world::DaemonWorld;
use crate::webdriver::Browser;

/// A log line and a name that would do something if they became markup.
const MARKUP: &str = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>";
const NAME: &str = "<img src=x onerror=document.title='owned'>";

fn address(world: &DaemonWorld) -> String {
    format!("http://127.0.0.1:{}/", world.port)
}

/// Opens the page, and waits until it receives events.
fn open(browser: &Browser, world: &DaemonWorld) {
    browser.open(&address(world));
    browser.until("document.documentElement.dataset.events === 'on'");
}

/// A JavaScript expression: the text of an element, which contains `text`.
fn shows(selector: &str, text: &str) -> String {
    format!("document.querySelector({})?.innerText.includes({})", Value::from(selector), Value::from(text))
}

/// A bundle whose program logs what is hostile, works until it is asked to crash, and leaves a dump.
fn crashing(world: &DaemonWorld) -> PathBuf {
    std::fs::write(
        world.path("rootfs/hostile"),
        format!("{MARKUP}\n\u{1b}]0;x\u{7}\u{202e}abc\nlast line\n"),
    )
    .unwrap();
    std::fs::create_dir_all(world.path("dumps")).unwrap();
    let script = "cat /hostile; while [ ! -e /tmp/crash ]; do sleep 0.05; done; \
                  cat /crash >/opt/minidumps/crash.dmp; exit 139";
    let bundle = dumping(world, script);
    std::fs::copy(sample(), world.path("rootfs/crash")).unwrap();
    bundle
}

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/minidumps/breakpad-segv-uid0.dmp")
}

/// Puts a dump of a container where the hook brings dumps.
fn put_dump(world: &DaemonWorld, container: &str, number: u32) {
    let dir = world.path("hook/host_destination");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::copy(sample(), dir.join(format!("{container}<#=#>{number}.dmp"))).unwrap();
}

fn no_markup_came_in(browser: &Browser) {
    assert_eq!(browser.js("return document.title"), "ocicontainer");
    let strange = "return document.querySelectorAll('img, iframe, object, main script').length";
    assert_eq!(browser.js(strange), 0);
}

#[test]
fn a_container_is_started_looked_into_crashes_and_its_dump_is_shown() {
    let world = DaemonWorld::new();
    let browser = Browser::new();
    let (id, bundle) = (world.id("app"), crashing(&world));
    std::fs::write(world.path(&format!("dumps/{NAME}<#=#>1.dmp")), "text").unwrap();
    open(&browser, &world);
    browser.until(&shows("#verdict", "ok"));
    // Started, with the keyboard alone.
    browser.keys("#start input[name=name]", &id);
    browser.keys("#start input[name=bundle]", &format!("{}\u{e007}", bundle.display()));
    browser.until(&shows("#list", &id));
    browser.until(&shows("#list .badge", "running"));
    browser.until("/^[0-9.]+ (B|[KMGT]iB)/.test(document.querySelectorAll('#list dd')[3].innerText)");
    // Its log follows, as text.
    browser.click("#list button[aria-label^='Log of']");
    browser.until(&shows("#log", "last line"));
    let log = browser.js("return document.querySelector('#log').textContent");
    let log = log.as_str().unwrap();
    assert!(log.contains(MARKUP) && log.contains("\\u{1b}]0;x\\u{7}\\u{202e}abc"), "{log}");
    assert_eq!(browser.js("return document.querySelector('#log').children.length"), 0);
    // Paused and resumed.
    browser.click("#list button[aria-label^='Pause']");
    browser.until(&shows("#list .badge", "paused"));
    browser.click("#list button[aria-label^='Resume']");
    browser.until(&shows("#list .badge", "running"));
    // A command, whose output is text, too.
    browser.keys("#exec input", "cat /hostile\u{e007}");
    browser.until(&shows("#exec-result pre", "last line"));
    assert!(browser.until(&shows("#exec-result", "exit code 0")).as_bool().unwrap());
    browser.js("document.querySelector('#exec input').value = ''");
    // It crashes: its end and its dump come by themselves.
    browser.keys("#exec input", "sh -c '>/tmp/crash'\u{e007}");
    browser.until(&shows("#crash-list", "SIGSEGV in crashbp"));
    browser.until("!document.querySelector('#list li')");
    browser.until("document.querySelector('#ended').hidden === false");
    browser.click("#ended summary");
    browser.until(&shows("#ended-list", "exit code 139"));
    browser.until(&shows("#crash-list", "crashbp+0x56036"));
    // The hook made the name of the container's dump, and the other file is only a text.
    browser.click("#ended-list button[aria-label^='Dumps of']");
    browser.until(&shows("#crash-count", &format!("1 of {id}")));
    browser.click("#crash-all");
    browser.until(&shows("#crash-list", NAME));
    browser.until(&shows("#crash-list", "not a dump"));
    no_markup_came_in(&browser);
    // The dump, as a file.
    browser.chromium(
        "Browser.setDownloadBehavior",
        &json!({"behavior": "allow", "downloadPath": browser.downloads()}),
    );
    browser.js("document.querySelectorAll('#crash-list a[download]').forEach((a) => a.innerText.endsWith(' crash.dmp') && a.click())");
    let kept = browser.downloads().join("crash.dmp");
    let dump = std::fs::read(world.path("dumps/crash.dmp")).unwrap();
    world.until("the dump is downloaded", || std::fs::read(&kept).is_ok_and(|bytes| bytes == dump));
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn the_token_is_asked_for_and_kept_for_the_tab_only() {
    let dir = tempfile::tempdir().unwrap();
    let (file, token) = (dir.path().join("token"), "a+b/c=&#%41-0123456789");
    std::fs::write(&file, token).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let world = DaemonWorld::with(&["--token-file", file.to_str().unwrap()]);
    put_dump(&world, "app", 1);
    let browser = Browser::new();
    browser.open(&address(&world));
    browser.until("document.querySelector('#ask').open");
    browser.keys("#ask input", "a-wrong-token-0123\u{e007}");
    browser.until("document.querySelector('#ask').open && !document.querySelector('#ask-wrong').hidden");
    assert_eq!(browser.js("return document.querySelector('#verdict').innerText"), "not connected");
    browser.keys("#ask input", &format!("{token}\u{e007}"));
    browser.until("document.documentElement.dataset.events === 'on'");
    browser.until(&shows("#crash-list", "SIGSEGV"));
    assert_eq!(browser.js("return [localStorage.length, document.cookie]"), json!([0, ""]));
    assert_eq!(browser.js("return location.href"), address(&world));
    // A link cannot present it.
    browser.chromium(
        "Browser.setDownloadBehavior",
        &json!({"behavior": "allow", "downloadPath": browser.downloads()}),
    );
    browser.click("#crash-list a[download]");
    let dump = std::fs::read(sample()).unwrap();
    let is_there = || {
        let files = std::fs::read_dir(browser.downloads()).unwrap().map(|file| file.unwrap().path());
        files.filter(|path| path.is_file()).any(|path| std::fs::read(path).unwrap() == dump)
    };
    world.until("the dump is downloaded", is_there);
    open(&browser, &world);
    assert_eq!(browser.js("return document.querySelector('#ask').open"), false, "after a reload");
    assert!(!world.log().contains(token) && !world.log().contains("a%2Bb"));
}

#[test]
fn containers_and_crashes_lead_to_each_other_and_loops_are_marked() {
    let world = DaemonWorld::new();
    let (id, other) = (world.id("app"), world.id("other"));
    for number in 1..=3 {
        put_dump(&world, &id, number);
    }
    put_dump(&world, "gone", 4);
    world.run(&id, &["sleep", "100"]);
    world.run(&other, &["sleep", "100"]);
    let browser = Browser::new();
    open(&browser, &world);
    browser.until(&shows("#crash-count", "4"));
    browser.click(&format!("#list button[aria-label='Dumps of {id}']"));
    browser.until(&shows("#crash-count", &format!("3 of {id}")));
    assert_eq!(browser.js("return document.activeElement.id"), "crashes-title");
    browser.until(&shows("#crash-list li:first-child .badge", "3 crashes or more within 10 minutes"));
    browser.click(&format!("#crash-list button[aria-label='Show container {id}']"));
    browser.until(&shows("#detail-title", &id));
    assert_eq!(browser.js("return document.activeElement.id"), "detail-title");
    browser.press("\u{e00c}");
    browser.until("document.querySelector('#detail').hidden");
    browser.click("#crash-all");
    assert_eq!(
        browser.js("return document.querySelectorAll('[aria-label=\"Show container gone\"]').length"),
        0
    );
    // Where a program crashed, which is read when it is opened, and stays open.
    browser.click("#crash-list li:first-child summary");
    browser.until(&shows("#crash-list li:first-child pre", "context       crashbp+0x56036"));
    let stack = "document.querySelector('#crash-list details[open] pre')";
    // A list that is read again leaves the focus where it is.
    let link = "#crash-list li:last-child a";
    let focused =
        browser.js(&format!("const a = document.querySelector('{link}'); a.focus(); return a.href"));
    put_dump(&world, "late", 5);
    browser.js("return import('/page/crashes.js').then((part) => part.load())");
    browser.until(&shows("#crash-count", "5"));
    assert_eq!(browser.js("return document.activeElement.href"), focused);
    browser.until(&format!("{stack}?.innerText.includes('crashbp+0x56036')"));
    // What the daemon reports of a loop, with words that are markup.
    let event = json!({"name": other, "count": 7, "since": MARKUP});
    browser.js(&format!("return import('/page/containers.js').then((part) => part.markLoop({event}))"));
    browser.until(&shows("#list", "crash loop: 7 crashes since <img src=x"));
    no_markup_came_in(&browser);
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn nothing_is_read_while_it_is_hidden_and_a_daemon_that_restarts_is_found_again() {
    let mut world = DaemonWorld::with(&["--listen", "127.0.0.1:0"]);
    let id = world.id("a");
    let browser = Browser::new();
    open(&browser, &world);
    browser.hide(true);
    let requests = "return performance.getEntriesByType('resource').length";
    // What was under way then comes to its end.
    world.until("nothing is under way", || {
        let count = browser.js(requests);
        std::thread::sleep(std::time::Duration::from_secs(1));
        browser.js(requests) == count
    });
    let before = browser.js(requests);
    // Events come all the same, and lead to nothing; the figures would have been read twice by then.
    world.run(&id, &["sleep", "100"]);
    let short = world.id("short");
    world.run(&short, &["sleep", "1"]);
    world.done("waitContainer", &json!({"containerId": short}));
    std::thread::sleep(std::time::Duration::from_secs(5));
    assert_eq!(browser.js(requests), before);
    browser.hide(false);
    browser.until(&shows("#list", &id));
    browser
        .until(&format!("document.querySelector('#ended-list').textContent.includes('{short}exit code 0')"));
    world.restart_with("--listen", &format!("127.0.0.1:{}", world.port));
    browser.until("document.documentElement.dataset.events === 'on'");
    browser.until(&shows("#verdict", "ok"));
    browser.click(&format!("#list button[aria-label='Stop {id}']"));
    browser.click("#stop button[value=kill]");
    browser.until("document.querySelectorAll('#list li').length === 0");
    browser.until(&format!("document.querySelector('#ended-list').textContent.includes('{id}')"));
}
