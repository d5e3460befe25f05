/* Headwater: carries the click id into forms, reports arrivals. Source and privacy notes: docs/privacy.md */
(function(d,w){
var s=d.currentScript,b=new URL(s.src).origin,P="__PARAM__",K="hw:"+P,u=new URL(location.href),i=u.searchParams.get(P),ok=s.dataset.consent!=="required",m;
function store(v){try{if(v)sessionStorage.setItem(K,v);return sessionStorage.getItem(K)}catch(e){}}
function fill(){if(!m)return;d.querySelectorAll('input[name="'+P+'"],[data-hw-id]').forEach(function(f){f.value=m})}
function send(t,f){var q=new XMLHttpRequest();q.open("POST",b+"/t/collect");q.withCredentials=true;q.onload=function(){try{f(JSON.parse(q.responseText))}catch(e){}};
q.send(JSON.stringify({type:t,page:P0,referrer:d.referrer,hw_id:m||null}))}
var P0=u.href;
if(i){m=i;u.searchParams.delete(P);history.replaceState(history.state,"",u.pathname+u.search+u.hash)}
function go(){
if(m)store(m);else if(!(m=store()))send("landing",function(a){m=a.hw_id;store(m);fill()});
fill()}
d.addEventListener("submit",function(){fill();if(ok&&m&&navigator.sendBeacon)navigator.sendBeacon(b+"/t/collect",JSON.stringify({type:"submit",page:P0,hw_id:m}))},true);
function start(){ok?go():fill()}
w.headwater={consent:function(){ok=true;go()},id:function(){return m}};
d.readyState==="loading"?d.addEventListener("DOMContentLoaded",start):start();
})(document,window);
