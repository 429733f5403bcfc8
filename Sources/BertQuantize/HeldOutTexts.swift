/// Texts that no built-in calibration fits a weight to, so that the drift of a conversion can be measured on them;
/// written for this purpose.
package enum HeldOutTexts {
  /// Raised whenever a text changes.
  package static let version = 1

  /// Of several lengths, subjects and scripts.
  package static let all = [
    "The ferry to the northern islands was cancelled because of fog.",
    "How do I reset the password of my old account?",
    "She sold the bakery in spring and moved to a village by the lake.",
    "Quarterly revenue fell by four percent, while costs stayed the same.",
    "Two boys repair a bicycle in front of a garage.",
    "The court rejected the appeal and ordered both companies to share the documents within thirty days.",
    "Add the onions, stir for a minute, then pour in the stock and let it simmer.",
    "Which planet has the longest day?",
    "Patients who took the drug in the morning reported fewer headaches than those who took it at night.",
    "no",
    "My card was charged twice for the same order, please refund one of them.",
    "An orchestra of amateurs rehearses every Thursday in the school's gym.",
    "The function returns nil when the file is empty and throws when it cannot be read.",
    "Heavy rain is expected along the coast; inland it stays dry with some sun.",
    "Nobody had seen the painting since it disappeared from the depot eleven years ago.",
    "Compare the two offers and tell me which one is cheaper over three years.",
    "The goalkeeper saved a penalty in the last minute, and the home crowd went silent.",
    "Rust, unlike tarnish, does not protect the metal beneath it.",
    "I loved the first half of this film, but the ending felt rushed and a little cheap.",
    "Trains between the two cities run every half hour until midnight.",
    "Enzymes lower the energy that a reaction needs to begin.",
    "A woman in a red coat is feeding pigeons.",
    "Where can I find the invoice for last month?",
    "The committee will publish its findings, including the dissenting opinion, before the end of the year.",
    "Der Zug nach Hamburg fällt heute wegen eines Sturms aus.",
    "Elle a planté trois pommiers derrière la maison de sa grand-mère.",
    "El museo cierra los lunes, excepto cuando son festivos.",
    "Il consiglio comunale ha approvato il nuovo piano del traffico.",
    "A padaria da esquina abre às seis da manhã.",
    "De brug wordt dit weekend geschilderd en is gesloten voor auto's.",
    "Поезд опоздал на два часа из-за снега.",
    "Wczoraj wieczorem zabrakło prądu w całej dzielnicy.",
    "Kütüphane sınav döneminde gece yarısına kadar açık.",
    "图书馆周末也开放到晚上九点。",
    "駅前の本屋は来月閉店するそうです。",
    "공원에서 아이들이 연을 날리고 있다.",
    "تأخرت الرحلة بسبب العاصفة الرملية.",
    "बारिश के कारण मैच एक घंटे देर से शुरू हुआ।",
    "Vlak odjíždí z druhého nástupiště.",
    "Bussen går varannan timme på söndagar.",
  ]
}
