//! How the page looks in a real browser: at every width, in light and dark, for a keyboard and a screen reader. Draws the
//! pictures of the book.

use std::path::Path;

use serde_json::json;

use crate::support::daemon_world::DaemonWorld;
use crate::support::repository::sample_dump;
use crate::webdriver::Browser;

/// Draws the pictures of the book again.
const WRITE: &str = "OCI_MINIDUMP_WRITE_PICTURES";
/// The most bytes of a picture.
const MAX_PICTURE: u64 = 200 * 1024;

/// What has too little contrast with what is behind it (WCAG 2.2, 1.4.3: 4.5 to 1): the text of each, with its contrast.
const PALE: &str = "
    const rgb = (text) => text.match(/[0-9.]+/g).map(Number);
    const light = (text) => {
        const [r, g, b] = rgb(text).map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (one) => {
        for (; one; one = one.parentElement) {
            const color = getComputedStyle(one).backgroundColor;
            if ((rgb(color)[3] ?? 1) > 0) return color;
        }
        return 'rgb(255, 255, 255)';
    };
    const pale = [];
    for (const one of document.querySelectorAll('body *')) {
        const has = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
        if (!has || !one.checkVisibility() || one.matches(':disabled')) continue;
        const [a, b] = [light(getComputedStyle(one).color), light(behind(one))].sort((a, b) => b - a);
        const contrast = (a + 0.05) / (b + 0.05);
        if (contrast < 4.5) pale.push(`${one.textContent.slice(0, 40)}: ${contrast}`);
    }
    return pale;";

/// Controls without a name.
const NAMELESS: &str = "
    const name = (one) => one.getAttribute('aria-label') ?? (one.labels?.[0] ?? one).textContent;
    return [...document.querySelectorAll('button, a, input, summary, section, dialog, pre[tabindex]')]
        .filter((one) => one.checkVisibility())
        .filter((one) => !(name(one).trim() || one.getAttribute('aria-labelledby')))
        .map((one) => one.outerHTML);";

/// Two containers, one of which works, and dumps of both.
fn box_at_work() -> (DaemonWorld, Browser) {
    let world = DaemonWorld::new();
    let dumps = world.path("hook/host_destination");
    std::fs::create_dir_all(&dumps).unwrap();
    for (name, sample) in [("player", "breakpad-segv-uid0.dmp"), ("launcher", "breakpad-abrt-uid1000.dmp")] {
        let dump = format!("{}<#=#>2026-11-27T10-00-00.dmp", world.id(name));
        std::fs::copy(sample_dump(sample), dumps.join(dump)).unwrap();
    }
    let says = "echo ready; i=0; while :; do i=$((i+1)); [ $((i % 20000)) != 0 ] || { echo turn $i; sleep 0.1; }; done";
    world.run(&world.id("player"), &["sh", "-c", says]);
    world.run(&world.id("launcher"), &["sleep", "1000"]);
    let browser = Browser::new();
    browser.resize(1280, 1000);
    browser.open(&format!("http://127.0.0.1:{}/", world.port));
    browser.until("document.documentElement.dataset.events === 'on'");
    browser.until("document.querySelectorAll('#list svg.cpu path[d^=M]').length === 2");
    browser.click("#list li:first-child button[aria-label^='Log of']");
    browser.until("document.querySelector('#log').textContent.includes('turn')");
    (world, browser)
}

#[test]
fn it_fits_every_width_and_can_be_read_in_light_and_dark() {
    let (_world, browser) = box_at_work();
    for scheme in ["light", "dark"] {
        browser.scheme(scheme);
        for width in [360, 480, 768, 1099, 1100, 1280, 1600] {
            browser.resize(width, 1000);
            let wide = browser.js("return document.documentElement.scrollWidth");
            assert!(wide.as_u64().unwrap() <= u64::from(width), "{width}: {wide}");
            assert_eq!(browser.js(PALE), json!([]), "{scheme} {width}");
        }
    }
    let color = "return getComputedStyle(document.body).backgroundColor";
    let dark = browser.js(color);
    browser.click("#theme");
    assert_ne!(browser.js(color), dark, "light, whatever the system has");
    browser.js("location.reload()");
    browser.until("document.querySelector('#theme')?.innerText === 'Theme: light'");
    assert_ne!(browser.js(color), dark, "it is remembered");
    browser.click("#theme");
    assert_eq!(browser.js(color), dark);
    browser.click("#theme");
    browser.until("document.querySelector('#theme').innerText === 'Theme: automatic'");
}

#[test]
fn a_keyboard_and_a_screen_reader_find_everything() {
    let (world, browser) = box_at_work();
    assert_eq!(browser.js(NAMELESS), json!([]));
    for (selector, role) in [("#status", "status"), ("#failure", "alert"), ("#log", "log")] {
        let script = format!("return document.querySelector('{selector}').getAttribute('role')");
        assert_eq!(browser.js(&script), role);
    }
    assert_eq!(browser.js("return document.documentElement.lang"), "en");
    browser.js("document.body.tabIndex = -1; document.body.focus()");
    browser.press("\u{e004}");
    assert_eq!(browser.js("return document.activeElement.className"), "skip");
    // Every control that is seen can be reached with the key.
    let wanted = "return [...document.querySelectorAll('button, input, a, pre[tabindex]')]
        .filter((one) => one.checkVisibility() && !one.disabled).length";
    let wanted = browser.js(wanted).as_u64().unwrap();
    browser
        .js("window.reached = new Set(); document.addEventListener('focusin', (e) => reached.add(e.target))");
    for _ in 0..wanted + 10 {
        browser.press("\u{e004}");
    }
    let missed = "[...document.querySelectorAll('button, input, a, pre[tabindex]')]
        .filter((one) => one.checkVisibility() && !one.disabled && !reached.has(one)).map((one) => one.outerHTML)";
    assert_eq!(browser.js(&format!("return {missed}")), json!([]));
    // Asked before something is stopped; a key takes it back.
    let stop = format!("#list button[aria-label='Stop {}']", world.id("player"));
    browser.keys(&stop, "\u{e007}");
    browser.until("document.querySelector('#stop').open");
    browser.press("\u{e00c}");
    browser.until("!document.querySelector('#stop').open");
    assert_eq!(browser.js("return document.querySelectorAll('#list li').length"), 2);
}

#[test]
fn the_pictures_of_the_book_are_there_and_small() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/screenshots");
    let pictures = [("light", "light", 1280), ("dark", "dark", 1280), ("narrow", "light", 360)];
    if std::env::var_os(WRITE).is_some() {
        let (_world, browser) = box_at_work();
        browser
            .until("document.querySelector('#list svg.cpu path').getAttribute('d').split('L').length > 20");
        // Ids of tests and paths of their worlds say nothing to a reader.
        let rename = "const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
            while (walk.nextNode()) walk.currentNode.data = walk.currentNode.data
                .replace(/t[0-9]+-[0-9]+-/g, 'com.example.').replace(/127.0.0.1:[0-9]+/, '127.0.0.1:9998');
            scrollTo(0, 0);";
        std::fs::create_dir_all(&dir).unwrap();
        for (name, scheme, width) in pictures {
            browser.scheme(scheme);
            browser.resize(width, 1000);
            browser.js(rename);
            std::fs::write(dir.join(format!("{name}.png")), browser.picture()).unwrap();
        }
    }
    for (name, _, _) in pictures {
        let path = dir.join(format!("{name}.png"));
        let size = std::fs::metadata(&path).unwrap_or_else(|_| panic!("{WRITE}=1 draws {name}")).len();
        assert!(size < MAX_PICTURE, "{name}: {size} bytes");
    }
}
