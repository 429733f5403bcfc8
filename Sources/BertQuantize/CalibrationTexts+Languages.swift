extension CalibrationTexts {
  /// Some everyday sentences of each of many languages and scripts.
  static let languages = """
    Wo ist der nächste Bahnhof?
    Ich habe gestern meinen Schlüssel verloren.
    Die Sitzung beginnt um neun Uhr im großen Saal.
    Der Zug nach Hamburg hat heute voraussichtlich zwanzig Minuten Verspätung, weil ein Signal \
    gestört ist.
    Bitte schicken Sie mir die Rechnung noch einmal.
    Das Essen war ausgezeichnet, nur die Bedienung hätte freundlicher sein können.
    Die Regierung will die Steuern auf Strom bis zum Jahresende senken.
    Geschwindigkeitsbegrenzung auf der Autobahn
    Kinder spielen im Hof Fußball.
    Bonjour, comment allez-vous ?
    Je voudrais réserver une table pour deux personnes ce soir.
    Le musée est fermé le mardi.
    La rivière a débordé après trois jours de pluie, et plusieurs routes restent coupées.
    Où se trouve la sortie ?
    Ce film est long, mais on ne s'ennuie jamais.
    Il n'y a plus de pain à la boulangerie.
    Les chercheurs ont observé une nouvelle espèce de grenouille dans la forêt.
    Un homme joue de l'accordéon sur le quai.
    ¿Dónde puedo comprar un billete de autobús?
    Mi tarjeta no funciona desde ayer.
    El gato duerme encima del tejado.
    El presidente anunció que las elecciones se celebrarán en octubre.
    ¡Qué buena idea!
    La sopa está demasiado salada para mi gusto.
    Los niños aprenden más rápido cuando juegan.
    Necesito cambiar la fecha de mi vuelo porque mi madre está enferma.
    Bom dia, tudo bem?
    O mercado fica aberto até às oito da noite.
    A equipe venceu o jogo por três a um.
    Não consigo entrar na minha conta.
    A chuva forte causou o fechamento de várias escolas na região.
    Quanto custa o quilo de laranja?
    Vorrei un caffè e un bicchiere d'acqua.
    Il treno per Firenze parte dal binario quattro.
    La mostra resterà aperta fino alla fine di gennaio.
    Che bella giornata!
    Mio fratello suona il pianoforte da quando aveva sei anni.
    Le spese di spedizione non sono comprese nel prezzo.
    Waar kan ik mijn fiets parkeren?
    Het regent al de hele week.
    De winkel is op zondag gesloten.
    Zij heeft een nieuwe baan gevonden bij een uitgeverij in de stad.
    Er is nog niets besloten.
    Hur mycket kostar biljetten?
    Vi ses på stationen klockan sju.
    Sjön är täckt av is från december till april.
    Hon läser en bok om fåglar.
    Jeg vil gerne have en kop te.
    Skibet sejler først i morgen tidlig.
    Fjellet er dekket av snø hele året.
    Missä on lähin apteekki?
    Kahvi on jo kylmää.
    Lapset uivat järvessä koko kesän.
    Uusi kirjasto avataan ensi viikolla keskustassa.
    Gdzie jest najbliższa apteka?
    Pociąg spóźnił się o pół godziny.
    Nie rozumiem tego pytania.
    Wczoraj wieczorem padał śnieg i wszystkie ulice były białe.
    Zupa jest za gorąca.
    Kolik stojí jízdenka do Brna?
    Vlak odjíždí z druhého nástupiště.
    Nová škola bude otevřena v září.
    Děti si hrají na zahradě.
    Hol van a legközelebbi bolt?
    Holnap reggel korán indulunk.
    A könyvet az asztalon hagytam.
    Unde este gara?
    Am uitat umbrela acasă.
    Ziarul a publicat ieri un articol despre prețul energiei.
    En yakın eczane nerede?
    Kardeşim üniversitede matematik okuyor.
    Yarın hava güneşli olacak.
    Siparişim hâlâ gelmedi, ne yapmalıyım?
    Çay mı kahve mi istersiniz?
    Xin chào, bạn khỏe không?
    Nhà hàng này rất ngon nhưng hơi đắt.
    Ngày mai trời sẽ mưa ở miền Bắc.
    Tôi muốn đổi tiền.
    Di mana halte bus terdekat?
    Harga beras naik lagi bulan ini.
    Kami akan berangkat besok pagi.
    Habari za asubuhi?
    Watoto wanacheza mpira uwanjani.
    Где находится ближайшая аптека?
    Вчера весь день шёл снег.
    Поезд отправляется с третьего пути в 18:40.
    Учёные обнаружили на дне озера остатки древнего города.
    Мне не понравился этот фильм, но музыка была прекрасная.
    Спасибо за помощь!
    Кошка спит на подоконнике.
    Добрий день, як справи?
    Магазин зачинено до понеділка.
    Діти малюють дерева та птахів.
    Къде е автогарата?
    Утре ще бъде слънчево.
    Књига је на столу.
    Πού είναι ο σταθμός;
    Το εστιατόριο κλείνει στις έντεκα.
    Η θάλασσα ήταν ήρεμη σήμερα το πρωί.
    Ευχαριστώ πολύ.
    أين أقرب صيدلية؟
    سافر أخي إلى المدينة أمس.
    أعلنت الحكومة عن خطة جديدة لتحسين الطرق.
    هذا الكتاب مفيد جدا للطلاب.
    شكرا جزيلا
    لم تصل بطاقتي الجديدة بعد، فماذا أفعل؟
    ایستگاه قطار کجاست؟
    امروز هوا خیلی سرد است.
    مجھے ایک کپ چائے چاہیے۔
    איפה תחנת הרכבת?
    הילדים משחקים בחצר.
    מחר יהיה יום חם מאוד.
    निकटतम दवा की दुकान कहाँ है?
    आज मौसम बहुत अच्छा है।
    सरकार ने किसानों के लिए एक नई योजना की घोषणा की।
    मेरी ट्रेन दो घंटे देर से चल रही है।
    बच्चे मैदान में खेल रहे हैं।
    धन्यवाद
    আপনার নাম কী?
    আজ সকালে বৃষ্টি হয়েছে।
    বাজারে মাছের দাম বেড়েছে।
    உங்கள் பெயர் என்ன?
    இன்று மழை பெய்யும்.
    మీరు ఎక్కడ నుండి వచ్చారు?
    สวัสดีครับ
    สถานีรถไฟอยู่ที่ไหน
    วันนี้อากาศร้อนมาก
    ฉันชอบอ่านหนังสือก่อนนอน
    სად არის სადგური?
    Որտե՞ղ է կայարանը
    最近的药店在哪里?
    今天天气很好,我们去公园散步吧。
    火车晚点了四十分钟。
    政府宣布明年将新建三所医院。
    这家餐馆的菜很好吃,就是有点贵。
    我的银行卡丢了,应该怎么办?
    他每天早上六点起床跑步。
    謝謝你的幫忙。
    圖書館星期一休館。
    孩子們在河邊放風箏。
    科学家发现了一种新的深海鱼类。
    駅はどこですか。
    昨日は一日中雨が降っていました。
    この店のラーメンはとてもおいしいです。
    会議は午後三時から始まります。
    猫が窓のそばで寝ている。
    新しいカードがまだ届いていません。
    ありがとうございます
    来年の春に橋の工事が終わる予定だ。
    가장 가까운 약국이 어디예요?
    오늘은 날씨가 정말 춥네요.
    기차가 삼십 분 늦게 도착했습니다.
    정부는 새로운 주택 정책을 발표했다.
    아이들이 공원에서 놀고 있다.
    감사합니다
    La suno brilas super la maro.
    Omnia mutantur, nihil interit paulatim in horto.
    The word for thank you is 谢谢 in Chinese and спасибо in Russian.
    Meeting mit dem Team um 15 Uhr, bitte be on time!
    東京 Tokyo 2020 оlympics
    Ça coûte 12,50 € (TVA incluse).
    Größe 42, Farbe: schwarz/weiß, Artikel-Nr. 00817-B
    """
}
