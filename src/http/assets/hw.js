// Headwater on a landing page: carries the click id into forms and reports arrivals.
// What it keeps and sends, and when: docs/tracking-script.md.
//
// track.rs serves it without comments, line ends, and spaces beside punctuation, with the click id's parameter filled in.
// So a comment has a line of its own, every statement its semicolon, and no text in quotes a space beside punctuation.
(function (d, w) {
  // Old browsers and pages that forbid something lose what needs it; nobody sees an error.
  function safe(f) { return function (x) { try { return f(x); } catch (e) {} }; }

  w.headwater || safe(function () {
    var s = d.currentScript,
      ok = s.dataset.consent != "required",
      url = s.src.replace(/hw\.js.*/, "collect"),
      css = 'input[name="__PARAM__"],[data-hw-id]',
      store = safe(function () { return sessionStorage; })() || {},
      l = location,
      id, asked,
      query = l.search.replace(/[?&]__PARAM__=(\w{26,30})?[^&]*/g, function (_, it) { return id = it, ""; }).replace(/^&/, "?"),
      page = l.origin + l.pathname + query,

      go = safe(function () {
        if (ok && !asked) {
          asked = 1;
          var kept = (store.headwater || "").split(" "),
            // UTM and the click ids of NETWORK_CLICK_ID_PARAMS; a test holds the two together.
            tags = query.match(/(utm_\w+|\w*(cl[ick]*|bra|_c|scc|fat_|igsh)id|epik)=[^&]+/gi) || "",
            host = d.referrer.split("/")[2],
            from = tags + "@" + host,
            keep = function (it) {
              // An untagged return, as from a payment page, counts but does not displace the id.
              id = tags && it || id || it;
              fill();
              store.headwater = id + " " + from;
            };
          if (id) keep(id);
          else {
            id = kept[0];
            // New is who comes from elsewhere, with other tags or from another site than before.
            // A page that the site itself led to is new only if it is tagged and the first that is known.
            if (host == l.host ? tags && !id : !id || (tags || host) && from != kept[1]) {
              var xhr = new XMLHttpRequest;
              xhr.open("POST", url);
              xhr.withCredentials = 1;
              xhr.onload = safe(function () { keep(JSON.parse(xhr.response).hw_id || id); });
              xhr.send(JSON.stringify({ type: "landing", page: page, referrer: d.referrer }));
            }
          }
        }
        fill();
      });

    function fill() {
      id && d.querySelectorAll(css).forEach(function (f) { f.value = id; });
    }

    w.headwater = { consent: function () { ok = 1; go(); }, id: function () { return id; } };
    d.addEventListener("submit", safe(function (e) {
      fill();
      ok && e.target.querySelector(css) && navigator.sendBeacon(url, JSON.stringify({ type: "submit", page: page }));
    }), 1);
    d.addEventListener("DOMContentLoaded", go);
    go();
    // Out of the address bar, so that nobody shares it; everything else stays, byte for byte.
    query != l.search && history.replaceState(history.state, "", page + l.hash);
  })();
})(document, window);
