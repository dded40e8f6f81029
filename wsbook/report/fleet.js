(() => {
  "use strict";
  const table = document.getElementById("rows"), body = table.tBodies[0], rows = [...body.rows];
  const heads = [...table.tHead.rows[0].cells], find = document.getElementById("find");
  const shown = document.getElementById("shown"), all = document.getElementById("all");
  const buttons = [...document.querySelectorAll("button[data-cause]")];
  let cause = "", texts = null;
  const filter = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length) texts ??= rows.map((row) => row.textContent.toLowerCase());
    let count = 0;
    rows.forEach((row, index) => {
      const fits = (!cause || row.dataset.cause === cause) && words.every((word) => texts[index].includes(word));
      if (row.hidden === fits) row.hidden = !fits;
      count += fits;
    });
    shown.textContent = `${count.toLocaleString("en")} of ${rows.length.toLocaleString("en")}${cause ? ` with ${cause}` : ""}`;
    all.hidden = !cause && !words.length;
  };
  const choose = (wanted) => {
    cause = wanted;
    buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.cause === cause)));
    filter();
  };
  const key = (row, column) => row.cells[column].dataset.k ?? row.cells[column].textContent;
  const sort = (column) => {
    const head = heads[column], down = head.getAttribute("aria-sort") === "ascending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const numeric = head.classList.contains("s") || head.classList.contains("l");
    const order = new Intl.Collator("en").compare;
    const keyed = rows.map((row, index) => ({ row, index, key: numeric ? Number(key(row, column)) : key(row, column) }));
    const compare = numeric ? (a, b) => a.key - b.key : (a, b) => (!a.key - !b.key) * (down ? -1 : 1) || order(a.key, b.key);
    keyed.sort((a, b) => (down ? -1 : 1) * compare(a, b) || a.index - b.index);
    const place = document.createDocumentFragment();
    keyed.forEach((one) => place.append(one.row));
    body.append(place);
  };
  heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => sort(column)));
  buttons.forEach((button) => button.addEventListener("click", () => {
    choose(cause === button.dataset.cause ? "" : button.dataset.cause);
    if (cause) document.getElementById("targets").scrollIntoView();
  }));
  let waiting = 0;
  find.addEventListener("input", () => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(filter); });
  all.addEventListener("click", () => { find.value = ""; choose(""); });
  document.querySelector(".filters").hidden = false;
  filter();
})();
