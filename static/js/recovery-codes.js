// Downloads or prints the recovery codes on the page. Without scripts they are copied by hand.

const download = document.querySelector("[data-download]");
download.hidden = false;
download.addEventListener("click", () => {
  const text = document.getElementById(download.dataset.download).textContent;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  link.download = download.dataset.file;
  link.click();
  URL.revokeObjectURL(link.href);
});

const print = document.querySelector("[data-print]");
print.hidden = false;
print.addEventListener("click", () => window.print());
